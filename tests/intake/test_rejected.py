"""What the server refused is counted for ever, and a few of it are kept."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hub.events.arriving import Refusal
from hub.intake import rejections
from hub.intake.arrival import profiles_arrival, rejects_arrival
from hub.intake.rejections import rejected
from hub.people.profile_update import Update
from tests.intake.conftest import AT


def refused(reason, *excerpts, source="track", at=AT):
    return rejects_arrival(1, source, [Refusal(n, "", "", reason, text) for n, text in enumerate(excerpts)], at)


def test_refusals_are_counted_by_source_and_reason_with_their_first_and_last_time(log, move, workspace):
    late = AT + timedelta(hours=2)
    log.append([refused("a.", "1", "2"), refused("a.", "3", source="import"), refused("b.", "4")])
    move()
    log.append([refused("a.", "5", at=late)])
    move()

    found = {(each.source, each.reason): each for each in rejected(workspace.store, 1)}
    assert {key: each.count for key, each in found.items()} == {
        ("track", "a."): 3,
        ("import", "a."): 1,
        ("track", "b."): 1,
    }
    first = found["track", "a."]
    assert (first.first_at, first.last_at) == (AT, late)
    assert [text for _, text in first.samples] == ["5", "2", "1"]


def test_the_newest_samples_are_kept_of_each_reason_and_of_a_project(log, move, workspace, monkeypatch):
    monkeypatch.setattr(rejections, "MOST_OF_PROJECT", 30)
    log.append([refused("a.", *map(str, range(50)))])
    log.append([refused("a.", "50", "51")])
    move()
    assert [text for _, text in rejected(workspace.store, 1)[0].samples] == ["51", "50", *map(str, range(19, 1, -1))]

    log.append([refused("b.", *map(str, range(15)))])
    move()

    kept = {each.reason: len(each.samples) for each in rejected(workspace.store, 1)}
    assert kept == {"a.": 15, "b.": 15}
    assert {each.reason: each.count for each in rejected(workspace.store, 1)} == {"a.": 52, "b.": 15}


def test_an_update_that_breaks_a_limit_is_counted_as_refused(log, move, workspace, held):
    many = {f"p{n}": n for n in range(3_000)}
    log.append([profiles_arrival(1, [Update("ann", (("$set", many),)), Update("ann", (("$set", {"n": 1}),))], AT)])
    move()

    (found,) = rejected(workspace.store, 1)
    assert (found.source, found.count) == ("engage", 1)
    assert found.samples[0][1].startswith('{"$distinct_id":"ann","$set":{"p0":0')
    assert held.counter("ann") == (1, 1)


@pytest.mark.parametrize("samples", [False, True])
def test_the_command_tells_what_has_arrived_by_now(cli, log, samples):
    log.append([refused("event is missing.", '{"a": 1}')])
    options = ["--samples"] if samples else []
    as_json = cli("event", "rejected", "--json", *options)
    as_text = cli("event", "rejected", *options)

    (told,) = json.loads(as_json.stdout)
    assert told.pop("samples", None) == ([{"at": told["first_at"], "excerpt": '{"a": 1}'}] if samples else None)
    assert told == {
        "source": "track",
        "reason": "event is missing.",
        "count": 1,
        "first_at": AT.isoformat(),
        "last_at": AT.isoformat(),
    }
    assert "event is missing." in as_text.stdout
    assert ('{"a": 1}' in as_text.stdout) is samples


def test_a_sample_does_nothing_to_the_terminal(cli, log):
    log.append([refused("The record is not JSON.", "{\x1b[2J\n")])

    assert "  {\\x1b[2J\\n\n" in cli("event", "rejected", "--samples").stdout


def test_the_command_says_so_when_nothing_was_refused(cli):
    told = cli("event", "rejected")

    assert (told.returncode, told.stdout, told.stderr) == (0, "", "Nothing was refused.\n")
