"""Everything that was acknowledged is there exactly once, wherever the mover is stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import Busy
from hub.intake.arrival import events_arrival
from hub.intake.mover import APPLIED, FORGOTTEN, PUBLISHED, READ, WRITTEN, Mover, Sizes
from hub.lake.tables import EVENTS
from hub.store.holding import MOVER, holding
from tests.intake.conftest import AT, a_refusal, events, one_more, some_events

STEPS = (READ, WRITTEN, APPLIED, PUBLISHED, FORGOTTEN)
SMALL = Sizes(events=24)


class Stopped(Exception):
    """The mover's end, at an instant that the test chose."""


def stopping_after(number):
    """Told the steps that are done; stops the mover after so many."""
    steps = iter(range(number, -1, -1))

    def done(_step):
        if next(steps, 0) <= 1:
            raise Stopped

    return done


def arrive(log):
    """Three requests' worth of everything: 30 events, of which 20 link a device, 3 additions and 3 refusals."""
    log.append([some_events(0, 10), one_more(), a_refusal()])
    log.append([some_events(10, 10, device_id="d1", user_id="ann"), one_more(), a_refusal()])
    log.append([some_events(20, 10, device_id="d2", user_id="bob"), one_more(), a_refusal()])


def assert_all_is_there_once(held, events=30, others=3):
    assert held.events == Counter(f"i{n}" for n in range(events))
    assert held.counter() == (others, others)
    assert held.refused == {"event is missing.": others}
    assert held.people == {"$device:d1": "ann", "$device:d2": "bob"}


def test_what_arrived_is_moved_once_and_forgotten(log, move, held):
    arrive(log)

    assert move() == 36
    assert move() == 0
    assert_all_is_there_once(held)
    assert log.backlog().entries == 0


@pytest.mark.parametrize("number", range(1, 11))
def test_stopped_after_any_step_and_gone_on_with_all_is_there_once(log, move, held, number):
    arrive(log)
    with pytest.raises(Stopped):
        move(sizes=SMALL, done=stopping_after(number))
    move(sizes=SMALL)

    assert_all_is_there_once(held)
    assert log.backlog().entries == 0


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_however_often_it_is_stopped_and_whatever_arrives_meanwhile(log, move, held, data):
    first = sum(held.events.values())
    count, added, refused = first, held.counter()[0], sum(held.refused.values())
    for _ in range(data.draw(st.integers(1, 4), label="rounds")):
        size = data.draw(st.integers(1, 15), label="events")
        log.append([some_events(count, size), *[one_more(), a_refusal()] * data.draw(st.integers(0, 2))])
        count += size
        try:
            move(sizes=SMALL, done=stopping_after(data.draw(st.integers(1, 20), label="stopped after")))
        except Stopped:
            continue
    head = log.head()
    move(sizes=SMALL)

    assert held.events == Counter(f"i{n}" for n in range(count))
    assert log.head().last_id == head.last_id
    now, published = held.counter()
    assert now == published
    assert now - added == sum(held.refused.values()) - refused


KILLED = """
import os, signal, sys
from pathlib import Path
from hub.app import Hub
from hub.intake.log import IntakeLog
from hub.intake.mover import Mover, Sizes
from hub.store.holding import MOVER, holding

steps = iter(range(int(sys.argv[2]), -1, -1))

def done(_step):
    if next(steps, 0) <= 1:
        os.kill(os.getpid(), signal.SIGKILL)

workspace = Hub.open(Path(sys.argv[1])).workspace
log = IntakeLog(workspace.settings.intake_url)
with holding(workspace.store, MOVER, what="Moving") as lease:
    Mover(workspace, log, lease, sizes=Sizes(events=24), done=done).move(log.last_id())
"""


def test_killed_by_a_signal_again_and_again_all_is_there_once(home, log, move, held):
    arrive(log)
    for number in (2, 4, 3):
        process = subprocess.run([sys.executable, "-c", KILLED, str(home), str(number)], check=False)
        assert process.returncode == -signal.SIGKILL
    move()

    assert_all_is_there_once(held)


def test_who_was_taken_for_dead_and_wakes_up_changes_nothing(workspace, log, move, held):
    arrive(log)
    woken = []

    def while_it_sleeps(step):
        if step == READ and not woken:  # its lease runs out, and another moves everything
            woken.append(step)
            with workspace.store.writing() as connection:
                connection.exec_driver_sql("UPDATE leases SET lease_owner = NULL")
            move()

    with holding(workspace.store, MOVER, what="Moving") as lease, pytest.raises(Busy):
        Mover(workspace, log, lease, done=while_it_sleeps).move(log.last_id())

    assert_all_is_there_once(held)


def test_two_at_once_is_one_and_the_other_is_told(workspace, log, move, held):
    arrive(log)
    with holding(workspace.store, MOVER, what="Moving"), pytest.raises(Busy):
        move()
    move()

    assert_all_is_there_once(held)


def test_events_of_a_project_that_is_gone_hold_nothing_up(log, move, held):
    log.append([replace(some_events(0, 3), project_id=77), replace(one_more(), project_id=77)])
    log.append([some_events(3, 3), one_more()])
    move()

    assert held.events.total() == 6
    assert held.counter() == (1, 1)


def test_the_lake_knows_when_each_event_came_in(log, move, held):
    log.append([events_arrival(1, events(n, 2), AT + timedelta(seconds=n)) for n in (0, 2, 4)])
    move()

    came = {row["insert_id"]: row["received_at"] for row in held.rows(EVENTS)}
    assert came == {f"i{n}": AT + timedelta(seconds=n // 2 * 2) for n in range(6)}
