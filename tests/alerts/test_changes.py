"""What is told of a condition that comes, goes, grows worse, and flaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hub.alerts.changes import FORGOTTEN, Kept, is_forgotten, seen, to_tell
from hub.alerts.model import CRITICAL, WARNING, WELL, Condition

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
FAILED = Condition("sync_failed:1", "sync_failed", WARNING, "s", "It failed.")


class Watched:
    """One condition, looked at again and again; `said` has what was told, as (minute, word, level)."""

    def __init__(self) -> None:
        self.kept: Kept | None = None
        self.said: list[tuple[int, str, str]] = []

    def look(self, minute: int, found: Condition | None, *, muted: bool = False) -> None:
        at = START + timedelta(minutes=minute)
        if found is None and self.kept is None:
            return
        self.kept = seen(self.kept, found, at)
        change = to_tell(self.kept, at)
        if change and not muted:
            self.said.append((minute, change.word, change.after))
            self.kept = replace(self.kept, told=self.kept.level)


def test_one_alert_when_it_comes_one_when_it_grows_worse_and_one_when_it_goes():
    watched = Watched()
    for minute in range(10):
        watched.look(minute, FAILED)
    for minute in range(10, 20):
        watched.look(minute, replace(FAILED, level=CRITICAL, said="It is worse."))
    for minute in range(20, 30):
        watched.look(minute, None)

    assert watched.said == [(0, "raised", WARNING), (10, "changed", CRITICAL), (20, "recovered", WELL)]
    assert watched.kept is not None and watched.kept.since == START


def test_what_flaps_is_told_a_few_times_and_then_once_it_is_quiet():
    watched = Watched()
    for minute in range(0, 240, 2):  # bad for two hours, every other minute; then well
        watched.look(minute, FAILED if minute < 120 else None)
        watched.look(minute + 1, None)

    told = [word for _, word, _ in watched.said]
    assert told == ["raised", "recovered", "raised", "recovered", "raised", "recovered"]
    assert watched.said[-1][0] == 119 + 30, "the third recovery waits until it has been well for half an hour"


def test_what_came_and_went_while_muted_is_not_told_and_what_lasts_is_told_afterwards():
    watched = Watched()
    watched.look(0, FAILED, muted=True)
    watched.look(1, None, muted=True)
    watched.look(2, None)
    assert watched.said == []

    watched.look(3, FAILED, muted=True)
    watched.look(4, FAILED)
    watched.look(5, None, muted=True)
    watched.look(6, None)
    assert [word for _, word, _ in watched.said] == ["raised", "recovered"]


def test_what_has_been_well_for_a_day_is_forgotten():
    watched = Watched()
    watched.look(0, FAILED)
    watched.look(1, None)
    assert watched.kept is not None
    gone = watched.kept.changed_at

    assert not is_forgotten(watched.kept, gone + FORGOTTEN)
    assert is_forgotten(watched.kept, gone + FORGOTTEN + timedelta(seconds=1))
    assert not is_forgotten(replace(watched.kept, told=WARNING), gone + FORGOTTEN * 2)
