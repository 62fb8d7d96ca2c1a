"""Names and values as they come back: in the commands that are suggested, and between tabs."""

from __future__ import annotations

import json
import shlex

import pytest


@pytest.fixture
def definition(tmp_path):
    file = tmp_path / "mail.yaml"
    file.write_text("version: 1\nprofile: $email\nop: is set\n")
    return str(file)


@pytest.mark.parametrize("name", ["two words", "it's", "$HOME", "-v"])
def test_the_command_that_is_suggested_works_whatever_the_name(cli, definition, name):
    added = cli("cohort", "add", "--file", definition, "--", name)
    suggested = added.stdout.partition("Next: hub ")[2]

    counted = cli(*shlex.split(suggested))

    assert counted.returncode == 0
    assert f"are in {name}" in counted.stdout


def test_a_value_with_tabs_and_ends_of_lines_keeps_to_its_place(cli, definition, tmp_path):
    people = tmp_path / "people.jsonl"
    people.write_text(json.dumps({"$distinct_id": "ann", "$set": {"$email": "ann\t\nx@example.com"}}) + "\n")
    cli("profile", "import", str(people))
    cli("cohort", "add", "all", "--file", definition)

    lines = cli("cohort", "members", "all").stdout.splitlines()

    assert [line.split("\t")[-1] for line in lines] == ["email", "ann x@example.com"]


@pytest.fixture
def news(cli, partner, definition):
    cli("cohort", "add", "all", "--file", definition)
    cli(
        "connection", "add", "mailchimp", "news", *[f"--set={name}={value}" for name, value in partner.settings.items()]
    )
    return "news"


def test_the_sync_whose_audience_is_taken_over_is_named(cli, news):
    cli("sync", "start", "all", news)

    started = cli("sync", "start", "all", news, "--every", "1d")

    assert "Note: the sync all-news wrote that audience, and is stopped.\n" in started.stderr
    assert "hub sync run all-news-2" in started.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--every", "99999999999999d"), "is not an interval"),
        (("--map", "FNAME=a", "--map", "FNAME=b"), "FNAME stands twice"),
    ],
)
def test_what_a_sync_cannot_do_is_refused(cli, news, given, said):
    done = cli("sync", "start", "all", news, *given)

    assert done.returncode == 2
    assert said in done.stderr
    assert json.loads(cli("sync", "list", "--json").stdout) == []
