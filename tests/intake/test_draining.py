"""A question sees what had arrived when it was asked; and the mover as a process of its own."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from hub.clock import now
from hub.intake.draining import Drain
from hub.intake.moving import due, run_mover
from hub.store.holding import MOVER, holding
from tests.intake.conftest import AT, one_more, some_events


@pytest.fixture
def mover(home):
    """A mover process; its standard input is ours."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hub.intake.moving"],
        env={**os.environ, "HUB_HOME": str(home)},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    yield process
    process.stdin.close()
    process.kill()
    process.wait()


def counted(workspace):
    from hub.people.views import project_events

    with workspace.reading() as reader:
        return reader.value(project_events(reader, workspace.project).count())


def has_the_lease(workspace):
    with workspace.store.reading() as connection:
        row = connection.exec_driver_sql("SELECT lease_owner FROM leases WHERE name = 'mover'").first()
    return bool(row and row[0])


def wait_until(what):
    until = time.monotonic() + 30
    while not what() and time.monotonic() < until:
        time.sleep(0.02)
    assert what()


def test_a_question_sees_what_has_arrived(log, workspace):
    log.append([some_events(0, 5)])
    assert counted(workspace) == 5

    log.append([some_events(5, 5)])
    assert counted(workspace) == 10
    assert log.backlog().entries == 0


def test_run_due_moves_what_has_arrived(log, cli):
    log.append([some_events(0, 5)])

    assert cli("run-due").returncode == 0
    assert log.backlog().entries == 0


def test_doctor_tells_what_has_waited_for_long(log, cli):
    well = cli("doctor")
    log.append([some_events(0, 5)])  # they came in long ago
    told = cli("doctor")

    assert well.returncode == 0
    assert told.returncode == 1
    assert "BAD  intake log: 5 records to be moved" in told.stdout


@pytest.mark.embedded
def test_doctor_says_what_to_do_about_a_log_that_is_broken(log, home, cli):
    log.close()
    (home / "intake.db").write_text("no database " * 100)
    told = cli("doctor")

    assert told.returncode == 1
    assert "BAD  intake log" in told.stdout
    assert "Move intake.db, and what lies beside it, away" in told.stdout


def test_without_a_log_there_is_nothing_to_move(workspace, home):
    assert counted(workspace) == 0
    assert not (home / "intake.db").exists()


def test_a_mover_that_runs_is_asked_to_hurry(log, workspace, mover):
    wait_until(lambda: has_the_lease(workspace))
    log.append([some_events(0, 5)])

    assert counted(workspace) == 5
    assert mover.poll() is None
    assert has_the_lease(workspace)


def test_what_another_process_does_not_move_is_told_and_left_out(log, workspace, caplog):
    log.append([some_events(0, 5)])
    drain = Drain(workspace, patience=0.1)
    with holding(workspace.store, MOVER, what="Moving"), caplog.at_level(logging.WARNING):
        drain()

    assert "What has arrived lately is left out: another process" in caplog.text
    assert log.head().wanted == 1
    drain()
    assert log.backlog().entries == 0


def test_what_cannot_be_moved_is_told_and_left_out(log, workspace, caplog):
    log.append([replace(some_events(0, 5), payload=b"\xc1")])
    with caplog.at_level(logging.WARNING):
        assert counted(workspace) == 0

    assert "Entry 1 of the intake log cannot be read" in caplog.text
    assert log.backlog().entries == 1


def test_the_mover_ends_with_the_process_that_started_it(log, workspace, mover, held):
    wait_until(lambda: has_the_lease(workspace))
    mover.stdin.close()

    assert mover.wait(30) == 0
    assert not has_the_lease(workspace)


def test_the_mover_moves_by_itself_and_ends_when_it_is_asked_to(log, workspace, mover, held):
    log.append([some_events(0, 5), one_more()])  # they came in long ago
    wait_until(lambda: log.backlog().entries == 0)
    mover.send_signal(signal.SIGTERM)

    assert mover.wait(30) == 0
    assert held.counter() == (1, 1)


def test_a_mover_that_cannot_write_says_so_once_and_goes_on_when_it_can(log, workspace, held, caplog):
    log.append([some_events(0, 5)])
    table, away = workspace.lake.root / "events", workspace.lake.root / "away"
    table.rename(away)
    stop = threading.Event()
    with caplog.at_level(logging.WARNING):
        mover = threading.Thread(target=run_mover, args=(workspace, stop))
        mover.start()
        wait_until(lambda: caplog.records)
        away.rename(table)
        wait_until(lambda: log.backlog().entries == 0)
        stop.set()
        mover.join()

    assert [record.message[:29] for record in caplog.records] == [
        "What has arrived is not moved",
        "What has arrived is moved aga",
    ]
    assert held.events.total() == 5


def test_what_is_old_or_much_or_waited_for_is_due(log):
    fresh = replace(some_events(0, 5), received_at=now())
    assert not due(log.head())
    log.append([fresh])
    assert not due(log.head())
    log.want(1)
    assert due(log.head())
    log.forget(1)
    log.append([fresh])
    assert not due(log.head())
    log.append([replace(fresh, records=100_000)])
    assert due(log.head())
    log.forget(3)
    log.append([replace(fresh, received_at=AT)])
    assert due(log.head())
