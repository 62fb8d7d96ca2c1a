"""What a list has no room for, about one thing: lines of toned text. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hub import clock
from hub.connectors.connection import Connection
from hub.sync.freshness_words import freshness_lines
from hub.sync.mapping import fields_of
from hub.sync.models import Progress, Rejected, Run, Sync
from hub.sync.schedule import After
from hub.sync.states import RunState
from tui import words
from tui.cells import Cell
from tui.rows import FRESHNESS_TONES, connection_state, run_tone

if TYPE_CHECKING:
    from hub.cohorts.cohort import Cohort

Line = list[Cell]
"""One line: texts that follow each other without a blank between them."""


def connection_lines(connection: Connection, zone: str) -> list[Line]:
    """A connection: whose account, when it was checked, and what the partner said."""
    checked = clock.shown(connection.checked_at, zone) if connection.checked_at else "never"
    lines = [
        [
            Cell(f"{connection.label}: "),
            connection_state(connection),
            Cell(f"{f', account {connection.account}' if connection.account else ''}, checked {checked}"),
        ]
    ]
    if connection.message:
        lines.append([Cell(connection.message, connection_state(connection).tone)])
    if connection.match:
        lines.append([Cell(f"People are matched by {', '.join(connection.match)}", "dim")])
    lines += [[Cell(warning, "warn")] for warning in connection.warnings]
    settings = ", ".join(
        f"{name} {words.setting(value)}" for name, value in connection.settings.items() if value not in ("", None)
    )
    return [*lines, [Cell(settings, "dim")]] if settings else lines


def cohort_lines(cohort: Cohort, zone: str) -> list[Line]:
    """A cohort: how many, as of when, and who."""
    if cohort.size is None or cohort.evaluated_at is None:
        size: Line = [Cell("Not counted yet: press k to count.", "dim")]
    else:
        counted = clock.shown(cohort.evaluated_at, zone)
        size = [Cell(f"{words.plural(cohort.size, 'person', 'people')} at {counted} (version {cohort.version})")]
    return [size, *([Cell(text, "dim")] for text in (cohort.description, cohort.text) if text)]


def sync_lines(sync: Sync, zone: str) -> list[Line]:
    """A sync: where it puts whom, when, why it is stopped, and what its last run did."""
    return sync_settings(sync, zone) + (run_lines(sync.last_run, zone) if sync.last_run else [])


def sync_settings(sync: Sync, zone: str) -> list[Line]:
    """A sync: where it puts whom with which properties, when, and why it is stopped."""
    often = words.schedule_in_words(sync.schedule)
    target: Line = [Cell(f"{sync.cohort} → {sync.connection}, audience {sync.audience!r}, {often}")]
    schedule: Line = [Cell(_schedule(sync, zone))]
    if sync.missed:
        schedule.append(Cell(f", {words.plural(sync.missed, 'tick')} missed", "warn"))
    lines = [target, schedule]
    if sync.message:
        lines.append([Cell(sync.message, "bad" if sync.state == "stopped" else "")])
    if sync.mapping:
        pairs = ", ".join(f"{target}={field}" for target, field in fields_of(sync.mapping).items())
        lines.append([Cell(f"Properties {pairs}", "dim")])
    return lines


def sync_freshness(sync: Sync, zone: str) -> list[Line]:
    """How fresh a sync is: up to when everything is at the partner, when it becomes late, and p50 and p95."""
    if sync.freshness is None:
        return []
    first, *others = freshness_lines(sync.freshness, zone)
    word, colon, rest = first.partition(":")
    tone = FRESHNESS_TONES.get(sync.freshness.state, "")
    return [[Cell(word.capitalize(), tone), Cell(f"{colon}{rest}")], *([Cell(line, "dim")] for line in others)]


def run_lines(run: Run, zone: str) -> list[Line]:
    """A run in two or three lines: what it did, when, and what has to be done."""
    started = clock.shown(run.created_at, zone)
    lines: list[Line] = [
        [
            Cell(f"Run {run.id} "),
            Cell(words.state(run), run_tone(run)),
            Cell(f": {words.result_in_words(run)}"),
        ],
        [Cell(f"Started {started} {words.trigger(run)}, {words.run_took_in_words(run)}", "dim")],
    ]
    if run.message:
        lines.append([Cell(f"{run.message} {run.hint}".strip(), run_tone(run))])
    return lines


def run_figures(run: Run) -> list[tuple[str, Line]]:
    """Everything about a run, as headings with their lines. Headings without a figure are left out."""
    figures: list[tuple[str, Line]] = [
        ("Message", [Cell(run.message, run_tone(run))]),
        ("What to do", [Cell(run.hint)]),
        *_about(run),
        ("Plan", [Cell(f"{run.to_add:,} to add, {run.to_update:,} to update, {run.to_remove:,} to remove")]),
        ("Left alone", [Cell(_joined((run.unchanged, "unchanged"), (run.parked, "parked (refused earlier)")))]),
        ("Acknowledged", [Cell(f"{run.added:,} added, {run.updated:,} updated, {run.removed:,} removed")]),
        ("Not taken", [Cell(_not_taken(run), "warn" if run.rejected or run.owed else "good")]),
        ("Held", [Cell(_held(run), "warn")]),
        ("Decided", [Cell(_decided(run))]),
        ("Batches", [Cell(f"{run.batches_done:,} of {run.batches:,} answered")]),
        ("Lost answers", [Cell(run.doubts, "warn")]),
        ("Took", [Cell(f"{words.run_took(run)}{_phases(run)}")]),
    ]
    return [(heading, line) for heading, line in figures if line[0].text]


def _about(run: Run) -> list[tuple[str, Line]]:
    """Whom a run is about: the people of its cohort, or the members of the run that it takes back."""
    if run.undoes is None:
        return [
            ("Cohort", [Cell(f"{words.plural(run.qualified, 'person', 'people')} qualified")]),
            ("Skipped", [Cell(words.skipped(run.skipped), "warn")]),
        ]
    return [
        ("Takes back", [Cell(f"run {run.undoes}, of {words.plural(run.qualified, 'member')}")]),
        ("Stay as they are", [Cell(words.skipped(run.skipped), "warn")]),
    ]


def run_head(run: Run, zone: str) -> Line:
    """The one line that a run's screen begins with."""
    ended = f", ended {clock.shown(run.finished_at, zone)}" if run.finished_at else ""
    resumed = f", resumed {words.plural(run.resumed, 'time')}" if run.resumed else ""
    return [
        Cell(f"Run {run.id} of {run.sync} "),
        Cell(words.state(run), run_tone(run)),
        Cell(f"  started {clock.shown(run.created_at, zone)} {words.trigger(run)}{resumed}{ended}", "dim"),
    ]


def run_progress(run: Run, progress: Progress | None = None) -> Line:
    """How far a run is: by members when it runs here (`progress`), by batches when it runs elsewhere."""
    bar = words.run_bar(run, progress, 45)
    if progress and progress.state is RunState.DELIVERING:
        return [Cell(bar, "busy"), Cell(f"  {progress.done:,} of {words.plural(progress.total, 'member')}")]
    if run.state is RunState.DELIVERING:
        return [Cell(bar, "busy"), Cell(f"  {run.batches_done:,} of {words.plural(run.batches, 'batch', 'batches')}")]
    if run.state is RunState.HELD and progress is None:
        return [Cell("Held by a guard: a approves, f refuses", "warn")]
    return [Cell(bar, "busy"), Cell(f"  {words.state(run)}…")]


def rejected_lines(member: Rejected, zone: str) -> list[Line]:
    """A member that was refused: the partner's words in full, and when he is tried again."""
    tried = f"{words.plural(member.tries, 'try', 'tries')}, last {clock.shown(member.last_at, zone)}"
    code = f" (code {member.code})" if member.code else ""
    return [
        [Cell(f"{member.action} {member.key}, person {member.person}")],
        [Cell(f"{member.reason}{code}", "warn")],
        [Cell(f"{tried}; tried again {clock.shown(member.retry_at, zone)}", "dim")],
    ]


def joined(lines: Iterable[Line]) -> str:
    """The plain text of lines, as it reads without colour."""
    return "\n".join("".join(cell.text for cell in line) for line in lines)


def _joined(*counts: tuple[int, str]) -> str:
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def _schedule(sync: Sync, zone: str) -> str:
    if sync.state == "stopped":
        return "Stopped: it does not run by itself (r resumes it)"
    if sync.state == "paused":
        return "Paused: it goes on where it was (r resumes it)"
    if sync.next_run_at is None and isinstance(sync.schedule, After):
        return f"Runs when {sync.schedule.sync} has run"
    if sync.next_run_at is None:
        return f"{sync.state.capitalize()}: it does not run by itself any more"
    due = "Due since" if sync.next_run_at <= clock.now() else "Next run"
    return f"{due} {clock.shown(sync.next_run_at, zone)}"


def _not_taken(run: Run) -> str:
    when = "" if not run.owed else " (goes out with the next run)" if run.finished else " so far"
    return f"{run.rejected:,} rejected, {run.owed:,} owed{when}"


def _held(run: Run) -> str:
    return f"{words.plural(run.held, 'member')} until somebody approves (a) or refuses (f)" if run.held else ""


def _decided(run: Run) -> str:
    by = f" by {run.decided_by}" if run.decided_by else ""
    why = f": {run.decision_reason}" if run.decision_reason else ""
    return f"{run.decision.capitalize()}{by} {clock.ago(run.decided_at)}{why}" if run.decision else ""


def _phases(run: Run) -> str:
    text = words.phases(run.timings)
    return f" ({text})" if text else ""
