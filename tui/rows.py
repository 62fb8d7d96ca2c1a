"""What the hub returns, as rows of the lists. Pure functions; `zone` is the project's time zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import clock
from hub.connectors.connection import Connection
from hub.sync.freshness_words import length
from hub.sync.models import Progress, Rejected, Run, Sync
from hub.sync.schedule import After
from hub.sync.states import RunState
from tui import words
from tui.cells import WIDE, Cell, Column, Row, Tone

if TYPE_CHECKING:
    from hub.cohorts.cohort import Cohort

CONNECTION_COLUMNS = (
    Column("name", "Connection", 14, grow=2),
    Column("partner", "Partner", 12),
    Column("state", "State", 14),
    Column("account", "Account", 14, grow=3),
    Column("checked", "Checked", 10),
    Column("message", "What the partner said", 30, grow=6, from_width=WIDE),
)
COHORT_COLUMNS = (
    Column("name", "Cohort", 20, grow=2),
    Column("size", "People", 11, right=True),
    Column("fresh", "Counted", 10),
    Column("description", "Description", 20, grow=3),
    Column("version", "Version", 7, right=True, from_width=WIDE),
)
SYNC_COLUMNS = (
    Column("name", "Sync", 12, grow=2),
    Column("route", "Cohort → connection", 14, grow=3),
    Column("every", "Every", 6, from_width=WIDE),
    Column("fresh", "Freshness", 13),
    Column("next", "Next run", 14),
    Column("missed", "Missed", 6, right=True, from_width=WIDE),
    Column("last", "Last run", 20, grow=3),
    Column("ended", "Ended", 10, from_width=WIDE),
)
RUN_COLUMNS = (
    Column("id", "Run", 5, right=True),
    Column("sync", "Sync", 9, grow=3),
    Column("state", "State", 10),
    Column("bar", "Progress", 12),
    Column("added", "Added", 6, right=True),
    Column("updated", "Upd.", 5, right=True),
    Column("removed", "Rem.", 5, right=True),
    Column("rejected", "Rejected", 8, right=True),
    Column("owed", "Owed", 5, right=True),
    Column("started", "Started", 15, from_width=WIDE),
    Column("took", "Took", 11, from_width=WIDE),
    Column("message", "Message", 12, grow=5, from_width=WIDE),
)
REJECTED_COLUMNS = (
    Column("key", "Member", 18, grow=2),
    Column("action", "Action", 6),
    Column("reason", "The partner's words", 24, grow=4),
    Column("code", "Code", 12, grow=1, from_width=WIDE),
    Column("tries", "Tries", 5, right=True),
    Column("retry", "Tried again", 14),
)

FRESHNESS_TONES: dict[str, Tone] = {"fresh": "good", "late": "warn", "stale": "bad"}
_CONNECTION_TONES: dict[str, Tone] = {"connected": "good", "refused": "bad", "wrong": "bad", "unreachable": "warn"}


def connection_row(connection: Connection) -> Row:
    """One connection."""
    return Row(
        connection.name,
        {
            "name": Cell(connection.name),
            "partner": Cell(connection.label),
            "state": connection_state(connection),
            "account": Cell(connection.account or "-"),
            "checked": Cell(clock.ago(connection.checked_at), "dim"),
            "message": Cell(connection.message),
        },
    )


def connection_state(connection: Connection) -> Cell:
    """The word for a connection's state."""
    word = words.CONNECTION_STATES.get(connection.state, connection.state)
    return Cell(word, _CONNECTION_TONES.get(connection.state, ""))


def cohort_row(cohort: Cohort) -> Row:
    """One cohort."""
    return Row(
        cohort.name,
        {
            "name": Cell(cohort.name),
            "size": Cell(
                "not yet" if cohort.size is None else f"{cohort.size:,}", "dim" if cohort.size is None else ""
            ),
            "fresh": Cell(clock.ago(cohort.evaluated_at), "dim"),
            "description": Cell(cohort.description),
            "version": Cell(str(cohort.version)),
        },
    )


def sync_row(sync: Sync, zone: str, progress: Progress | None = None) -> Row:
    """One sync; `progress` is that of its run when one is under way in this process."""
    ended = sync.last_run.finished_at if sync.last_run else None
    return Row(
        sync.name,
        {
            "name": Cell(sync.name),
            "route": Cell(f"{sync.cohort} → {sync.connection}"),
            "every": Cell(words.schedule(sync.schedule)),
            "fresh": freshness(sync),
            "next": next_run(sync, zone),
            "missed": Cell(f"{sync.missed:,}", "warn" if sync.missed else "dim"),
            "last": last_run(sync, progress),
            "ended": Cell(clock.ago(ended) if ended else "-", "dim"),
        },
    )


def next_run(sync: Sync, zone: str) -> Cell:
    """When a sync runs next, or why it does not."""
    if sync.state == "stopped":
        return Cell("Stopped", "bad")
    if sync.state == "paused":
        return Cell("Paused", "warn")
    if sync.next_run_at is None and isinstance(sync.schedule, After):
        return Cell("after that", "dim")
    if sync.next_run_at is None:
        return Cell(sync.state.capitalize() if sync.state != "active" else "by hand", "dim")
    if sync.next_run_at <= clock.now():
        return Cell("due now", "warn" if sync.missed else "busy")
    return Cell(words.when(sync.next_run_at, zone))


def freshness(sync: Sync) -> Cell:
    """Whether a sync is fresh, late or stale, and how old a change may be that is not at the partner."""
    found = sync.freshness
    if found is None or not found.state:
        return Cell("-", "dim")
    return Cell(f"{found.state} {length(found.age)}", FRESHNESS_TONES.get(found.state, ""))


def last_run(sync: Sync, progress: Progress | None = None) -> Cell:
    """How the last run of a sync stands: its progress while it is under way, then what it did."""
    if progress:
        return Cell(words.step(progress, width=24), "busy")
    run = sync.last_run
    if run is None:
        return Cell("never ran", "dim")
    if run.state is RunState.DELIVERING and run.batches:
        return Cell(f"Delivering {words.bar(run.batches_done, run.batches, 13)}", "busy")
    if run.state is RunState.HELD:
        return Cell(f"Held: {run.held:,} wait", run_tone(run))
    if not run.finished:
        return Cell(f"{words.state(run)}…", "busy")
    return Cell(f"{words.state(run)} {words.result(run)}", run_tone(run))


def run_row(run: Run, zone: str, progress: Progress | None = None) -> Row:
    """One run; `progress` is given when it is under way in this process."""
    finished = run.finished or (progress is not None and progress.state is RunState.DONE)
    waits = run.state is RunState.HELD and progress is None
    word = progress.state.value.capitalize() if progress else words.state(run)
    return Row(
        str(run.id),
        {
            "id": Cell(str(run.id)),
            "sync": Cell(run.sync),
            "state": Cell(word, run_tone(run) if finished or waits else "busy"),
            "bar": Cell(words.run_bar(run, progress, 12), "dim" if finished or waits else "busy"),
            "added": _count(run.added),
            "updated": _count(run.updated, width=5),
            "removed": _count(run.removed, width=5),
            "rejected": _count(run.rejected, "warn"),
            "owed": _count(run.owed, "warn", width=5),
            "started": Cell(words.when(run.created_at, zone)),
            "took": Cell(words.run_took(run), "dim"),
            "message": Cell(run.message),
        },
    )


def run_tone(run: Run) -> Tone:
    """How good it is that a run stands where it stands."""
    if run.state is RunState.FAILED:
        return "bad"
    if run.state in (RunState.HELD, RunState.REFUSED):
        return "warn"
    if not run.finished:
        return "busy"
    return "warn" if run.rejected or run.owed or run.lost_answers else "good"


def rejected_row(member: Rejected, zone: str) -> Row:
    """One member that the partner did not take."""
    return Row(
        f"{member.action} {member.key}",
        {
            "key": Cell(member.key),
            "action": Cell(member.action),
            "reason": Cell(member.reason, "warn"),
            "code": Cell(member.code or "-", "dim"),
            "tries": Cell(str(member.tries)),
            "retry": Cell(words.when(member.retry_at, zone), "dim"),
        },
    )


def _count(count: int, tone: Tone = "", width: int = 6) -> Cell:
    return Cell(words.compact(count, width), tone if count else "dim")
