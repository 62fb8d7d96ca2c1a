"""`hub cohort add` in every spelling of a definition, as a person types it, and what `show` and `templates` print."""

from __future__ import annotations

import json
import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "cohorts.md").read_text("utf-8")
TEXT = 'did "Purchase" at least 3 times in last 180 days and user.plan in ("pro", "team")'


def test_a_cohort_by_text_is_shown_as_text_and_as_a_file_that_can_be_added_again(cli, tmp_path):
    added = cli("cohort", "add", "win-back", "--where", f"# Who may come back\n({TEXT})", "--json")
    assert added.returncode == 0
    assert json.loads(added.stdout)["text"] == TEXT
    assert json.loads(added.stdout)["description"] == "Who may come back"

    shown = cli("cohort", "show", "win-back").stdout
    assert shown.splitlines()[0] == f"# {TEXT}"
    (tmp_path / "again.yaml").write_text(shown)
    cli("cohort", "add", "again", "--file", str(tmp_path / "again.yaml"))
    first, second = (json.loads(cli("cohort", "show", name, "--json").stdout) for name in ("win-back", "again"))
    assert second["text"] == TEXT
    assert second["definition"] == first["definition"]
    assert cli("cohort", "count", "win-back").returncode == 0


def test_a_text_that_is_wrong_saves_nothing_and_is_shown_with_a_caret(cli):
    refused = cli("cohort", "add", "x", "--where", 'did "Purchase" in last 30 dyas')
    assert refused.returncode == 2
    assert refused.stderr == re.search(r"<!-- refused -->\n```text\n(.*?)```", PAGE, re.DOTALL)[1]
    unknown = cli("cohort", "add", "x", "--where", "in cohort nobody")
    assert unknown.returncode == 2
    assert "names the cohort 'nobody', which is not there" in unknown.stderr
    assert json.loads(cli("cohort", "list", "--json").stdout) == []


def test_a_template_with_its_parameters(cli):
    settings = ["--set", "sent=A", "--set", "sent=B", "--set", "days=3"]
    cli("cohort", "add", "too-much", "--template", "over-messaged", *settings)
    shown = json.loads(cli("cohort", "show", "too-much", "--json").stdout)
    assert shown["text"] == 'did any event where $event_name in ("A", "B") at least 10 times in last 3 days'
    assert shown["description"] == "Got many messages in a few days"

    known = json.loads(cli("cohort", "templates", "--json").stdout)
    assert {"template", "description", "text", "pattern", "parameters"} == {*known[0]}
    assert len(known) == 8
    assert "{event}" in cli("cohort", "templates", "lapsed").stdout
    assert cli("cohort", "templates", "lapse").returncode == 2


def test_a_cohort_of_mixpanels(cli, tmp_path):
    leaf = {"property": "cohort", "value": 123, "operator": "not in"}
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps({"selector": leaf, "behaviors": {}}))
    cli("cohort", "add", "payers", "--where", 'did "Purchase"')

    refused = cli("cohort", "add", "theirs", "--mixpanel", str(file))
    assert refused.returncode == 2
    assert "theirs.json: selector.value: is the cohort 123" in refused.stderr
    added = cli("cohort", "add", "theirs", "--mixpanel", str(file), "--cohort-id", "123=payers", "--json")
    assert json.loads(added.stdout)["text"] == "not in cohort payers"


def test_one_definition_is_said_and_no_option_is_idle(cli):
    for given in (
        [],
        ["--where", TEXT, "--template", "lapsed"],
        ["--where", TEXT, "--set", "days=3"],
        ["--template", "lapsed", "--set", "days"],
        ["--template", "lapsed", "--cohort-id", "1=a"],
        ["--where", ""],
    ):
        refused = cli("cohort", "add", "x", *given)
        assert refused.returncode == 2, given
        assert refused.stderr.startswith("Error: ")
