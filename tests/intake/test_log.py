"""The intake log: durable, in order, numbered for ever, and small when it is empty."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.errors import StoreError
from hub.intake.log import IntakeLog
from tests.intake.conftest import AT, some_events


def ids(stored):
    return [entry.id for entry in stored]


def test_what_was_appended_comes_back_in_order_as_it_was(log):
    first, second = some_events(0, 2), some_events(2, 3)
    log.append([first, second])

    found = log.pending(0, events=100, bytes=10**6)

    assert [(entry.id, entry.payload, entry.received_at) for entry in found] == [
        (1, first.payload, AT),
        (2, second.payload, AT),
    ]


def test_a_read_is_bounded_by_records_and_by_bytes_but_has_one_at_least(log):
    size = len(some_events(0, 10).payload)
    log.append([some_events(10 * n, 10) for n in range(5)])

    assert ids(log.pending(0, events=25, bytes=10**6)) == [1, 2]
    assert ids(log.pending(2, events=10**6, bytes=2 * size + size // 2)) == [3, 4]
    assert ids(log.pending(0, events=1, bytes=1)) == [1]
    assert ids(log.pending(0, events=100, bytes=10**6, upto=3)) == [1, 2, 3]
    assert log.pending(0, events=100, bytes=10**6, epoch="another") == []
    assert log.pending(5, events=100, bytes=10**6) == []


def test_numbers_never_restart(log):
    log.append([some_events(0, 1)] * 3)
    log.forget(3)
    again = IntakeLog(str(log._store.url))

    assert again.last_id() == 3
    assert again.append([some_events(0, 1)]) == 4


def test_the_backlog_is_what_waits(log):
    before = log.backlog()
    log.append([some_events(0, 10), replace(some_events(10, 5), received_at=AT + timedelta(hours=1))])
    both = log.backlog()
    log.forget(1)
    left = log.backlog()

    assert (before.entries, before.records, before.bytes, before.oldest_at) == (0, 0, 0, None)
    assert (both.entries, both.records, both.oldest_at) == (2, 15, AT)
    assert (left.entries, left.records, left.oldest_at) == (1, 5, AT + timedelta(hours=1))
    assert left.bytes == len(some_events(10, 5).payload)


@pytest.mark.embedded
def test_a_full_disk_is_told_and_nothing_is_half_written(log, workspace):
    log.append([some_events(0, 10)])
    full = IntakeLog(workspace.settings.intake_url)
    full._store = type(full._store)(workspace.settings.intake_url, {"synchronous": "FULL", "max_page_count": "8"})
    large = replace(some_events(10, 1), payload=bytes(2_000_000))

    with pytest.raises(StoreError, match="disk is full"):
        full.append([some_events(11, 1), large])

    assert log.last_id() == 1
    assert full.append([some_events(12, 1)]) == 2
    assert [entry.records for entry in log.pending(0, events=100, bytes=10**6)] == [10, 1]


@pytest.mark.embedded
def test_a_locked_log_is_told(log, workspace):
    hasty = IntakeLog(workspace.settings.intake_url)
    hasty._store = type(hasty._store)(workspace.settings.intake_url, {"busy_timeout": "10"})

    with log._store.writing(), pytest.raises(StoreError, match="locked"):
        hasty.append([some_events(0, 1)])

    assert hasty.append([some_events(0, 1)]) == 1


@pytest.mark.embedded
def test_the_file_is_small_again_when_all_is_moved(log, home):
    for _ in range(30):
        log.append([replace(some_events(0, 1), payload=bytes(5_000_000))])
    large = (home / "intake.db").stat().st_size
    log.forget(30)

    assert large > 100_000_000
    assert sum(file.stat().st_size for file in home.glob("intake.db*")) < 140_000_000
    assert (home / "intake.db").stat().st_size < 70_000_000
    assert log.pending(0, events=1, bytes=1) == []


KILLED = """
import os, signal, sys, threading
from hub.intake.log import IntakeLog
from tests.intake.conftest import some_events

log = IntakeLog(sys.argv[1])
number = 0
while True:
    print(log.append([some_events(number, 5), some_events(number + 5, 5)]), flush=True)
    number += 10
"""


def test_killed_while_it_appends_all_that_was_told_is_there_and_no_half(log):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(log._store.url)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(20):
        process.stdout.readline()
    process.kill()
    told = 40 + 2 * len(process.communicate()[0].splitlines())

    found = log.pending(0, events=10**6, bytes=10**9)

    assert ids(found) == [*range(1, len(found) + 1)]
    assert len(found) in (told, told + 2)
