"""`hub event import`: what is printed where, and how it ends."""

from __future__ import annotations

import orjson
import pytest


def test_a_good_file_is_one_line_on_standard_output(cli, lines, write):
    run = cli("event", "import", str(write("a", lines(1200))))

    assert run.returncode == 0
    assert run.stdout.count("\n") == 1
    assert "1,200 events, in" in run.stdout
    assert run.stderr == ""


def test_rejected_lines_are_told_with_their_place_and_end_with_4(cli, lines, write):
    path = write("a", [*lines(3), b"{"])
    run = cli("event", "import", str(path))

    assert run.returncode == 4
    assert "3 events, 1 line rejected" in run.stdout
    assert run.stderr == f"{path}:4: The line is not JSON.\n"


def test_json_has_the_documented_keys(cli, lines, write):
    path = write("a", [*lines(3), b"{"])
    found = orjson.loads(cli("event", "import", str(path), "--json").stdout)

    assert found.pop("seconds") > 0
    assert len(found.pop("digest")) == 64
    assert found == {
        "file": str(path),
        "state": "done",
        "lines": 4,
        "accepted": 3,
        "rejected": 1,
        "reasons": {"The line is not JSON.": 1},
        "rejects": [{"line": 4, "reason": "The line is not JSON."}],
    }


def test_a_file_that_is_none_does_not_keep_the_others_out(cli, lines, write, in_the_lake):
    run = cli("event", "import", "nowhere", str(write("a", lines(3))), "--json")

    assert run.returncode == 2
    assert "There is no file nowhere." in run.stderr
    assert orjson.loads(run.stdout)["accepted"] == 3
    assert len(in_the_lake()) == 3


@pytest.mark.parametrize("command", ["event", "profile"])
def test_without_a_hub_it_says_how_to_make_one(cli, tmp_path, lines, write, command):
    run = cli("--home", str(tmp_path / "none"), command, "import", str(write("a", lines(1))))

    assert run.returncode == 2
    assert "hub init" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_long_list_of_rejected_lines_is_cut_and_says_so(cli, write):
    run = cli("event", "import", str(write("a", [b"{"] * 130)))

    assert run.stderr.count(": The line is not JSON.") == 100
    assert "... and 30 more." in run.stderr
