"""Copies that were put back: nothing is lost, nothing is twice."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from hub.intake.log import IntakeLog
from hub.intake.position import make_ready, renew
from tests.intake.conftest import a_refusal, one_more, some_events


def copied(log, home, to):
    """A copy of the log's file, as it is now."""
    log.close()
    shutil.copy(home / "intake.db", to)


def put_back(log, home, copy, workspace):
    log.close()
    for file in home.glob("intake.db*"):
        file.unlink()
    shutil.copy(copy, home / "intake.db")
    again = IntakeLog(workspace.settings.intake_url)
    make_ready(again, workspace.store, workspace.lake)
    return again


@pytest.mark.embedded
def test_after_an_older_log_was_put_back_what_arrives_is_not_taken_for_moved(
    home, log, move, held, workspace, tmp_path
):
    log.append([some_events(0, 5), one_more(), a_refusal()])
    copied(log, home, tmp_path / "copy")
    log.append([some_events(5, 5), one_more()])
    move()
    old = log.head()

    again = put_back(log, home, tmp_path / "copy", workspace)
    again.append([some_events(10, 5), one_more()])
    move()

    assert again.head().epoch != old.epoch
    assert again.head().last_id == 5 == old.last_id
    assert set(held.events) == {f"i{n}" for n in range(15)}
    assert once(workspace) == Counter({f"i{n}": 1 for n in range(15)})
    assert held.counter() == (3, 3)
    assert held.refused == {"event is missing.": 1}


def test_a_new_epoch_moves_what_waits_once(log, move, held, workspace):
    log.append([some_events(0, 5), one_more()])
    renew(log, workspace.store)
    move()
    renew(log, workspace.store)
    log.append([one_more()])
    move()

    assert held.events == Counter(f"i{n}" for n in range(5))
    assert held.counter() == (2, 2)


def test_a_log_that_is_gone_is_made_anew(home, log, move, held, workspace):
    log.append([some_events(0, 5)])
    move()
    log.close()
    for file in home.glob("intake.db*"):
        file.unlink()
    again = IntakeLog(workspace.settings.intake_url)
    make_ready(again, workspace.store, workspace.lake)
    again.append([some_events(5, 5)])
    move()

    assert held.events == Counter(f"i{n}" for n in range(10))


def once(workspace):
    """What every question reads: duplicates are not there."""
    from hub.people.views import project_events

    with workspace.reading() as reader:
        rows = project_events(reader, workspace.project).select("insert_id")
        return Counter(value for batch in reader.batches(rows) for value in batch.column(0).to_pylist())
