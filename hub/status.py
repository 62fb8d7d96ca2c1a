"""What a hub holds and what to do next; and whether everything it stands on works."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from hub.alerts.machine import LEAST_FREE, LONGEST_WAIT
from hub.clock import ago, counted, now, shown
from hub.connectors.connection import CONNECTED
from hub.errors import HubError
from hub.lake import deduplicated
from hub.lake.lake import Lake
from hub.lake.snapshot import Filter
from hub.lake.tables import LAYOUTS
from hub.private import readable_by_others
from hub.settings import Settings
from hub.store.store import SCHEMA_HEAD, Store
from hub.store.tables import profiles
from hub.sync.freshness import FRESH, LATE, STALE
from hub.sync.states import RunState

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.intake.log import Backlog
    from hub.lake.state import LakeState
    from hub.sync.models import Run, Sync

_NEW_LOG = (
    "Move intake.db, and what lies beside it, away: a new one is made. What it had not moved yet is lost with it."
)


@dataclass(frozen=True)
class Status:
    """What a hub holds. `next_step` is what to do now, in words; `problems` are things that need a person."""

    home: Path
    project: str
    timezone: str
    identity: str
    events: int
    newest_event: datetime | None
    profiles: int
    cohorts: int
    connections: int
    syncs: int
    running: int
    freshness: Mapping[str, int]
    """Active syncs by how fresh they are: fresh, late, stale."""
    problems: tuple[str, ...]
    next_step: str

    def figures(self) -> dict[str, Any]:
        """The status for machines: the stable keys of `hub status --json`."""
        return {
            "home": str(self.home),
            "project": self.project,
            "timezone": self.timezone,
            "identity": self.identity,
            "events": self.events,
            "newest_event": self.newest_event.isoformat() if self.newest_event else None,
            "profiles": self.profiles,
            "cohorts": self.cohorts,
            "connections": self.connections,
            "syncs": self.syncs,
            "running": self.running,
            "freshness": dict(self.freshness),
            "problems": list(self.problems),
            "next_step": self.next_step,
        }


def status(hub: Hub) -> Status:
    """Count what a hub holds, and say what to do next."""
    project = hub.workspace.project
    with hub.workspace.reading_here() as reader:
        ours: list[Filter] = [("project_id", "=", str(project.id))]
        count, newest = deduplicated.count(reader, ours), deduplicated.newest(reader, ours)
    with hub.workspace.store.reading() as connection:
        people = connection.execute(
            select(func.count()).where(profiles.c.project_id == project.id, profiles.c.deleted.is_(False))
        ).scalar_one()
    cohorts, connections, syncs = hub.cohorts.list(), hub.connections.list(), hub.syncs.list()
    problems = [f"Connection {each.name}: {each.message}" for each in connections if each.state != CONNECTED]
    problems += [
        f"Sync {each.name}: {_said(each.last_run)}" for each in syncs if each.last_run and each.last_run.message
    ]
    problems += [
        f"Sync {each.name} is {each.freshness.state}: changes since "
        f"{shown(each.freshness.delivered_to or each.created_at, project.timezone)} may not be at the partner"
        for each in syncs
        if each.freshness and each.freshness.state in (LATE, STALE)
    ]
    problems += hub.syncs.quarrels()
    problems += [
        f"Alerts to {each.name} do not arrive: {each.answer}" for each in hub.alerts.channels.list() if each.fails
    ]
    return Status(
        home=hub.settings.home,
        project=project.name,
        timezone=project.timezone,
        identity=project.identity,
        events=count,
        newest_event=newest,
        profiles=people,
        cohorts=len(cohorts),
        connections=len(connections),
        syncs=len(syncs),
        running=sum(bool(each.last_run and _is_under_way(each.last_run)) for each in syncs),
        freshness=_fresh(syncs),
        problems=tuple(problems),
        next_step=_next_step(count, len(cohorts), len(connections), len(syncs)),
    )


def _fresh(syncs: Sequence[Sync]) -> dict[str, int]:
    words = [each.freshness.state for each in syncs if each.freshness]
    return {word: words.count(word) for word in (FRESH, LATE, STALE)}


def _said(run: Run) -> str:
    if run.state is RunState.HELD:
        return f"Run {run.id} is held. {run.message} {run.hint}"
    return run.message


def _is_under_way(run: Run) -> bool:
    return not run.finished and run.state is not RunState.HELD


def _next_step(events: int, cohorts: int, connections: int, syncs: int) -> str:
    if not events:
        return "Take events in: hub event import FILE, or hub serve for what apps send"
    if not cohorts:
        return "Say who matters: hub cohort add NAME --file FILE"
    if not connections:
        return "Connect a partner: hub connection add CONNECTOR NAME"
    if not syncs:
        return "Keep a cohort at the partner: hub sync start COHORT CONNECTION"
    return "Run what is due: hub run-due (from cron), or look at it: hub tui"


@dataclass(frozen=True)
class LakeStatus:
    """What the lake holds, and what waits to be moved into it (None: nothing ever arrived)."""

    lake: LakeState
    backlog: Backlog | None

    def figures(self) -> dict[str, Any]:
        """The status for machines: the stable keys of `hub lake status --json`."""
        waits, lake = self.backlog, self.lake
        return {
            "tables": [table.figures() for table in lake.tables],
            "compacted_at": lake.compacted_at.isoformat() if lake.compacted_at else None,
            "compaction_seconds": lake.took.total_seconds() if lake.took is not None else None,
            "backlog": {
                "requests": waits.entries if waits else 0,
                "records": waits.records if waits else 0,
                "bytes": waits.bytes if waits else 0,
                "oldest_at": waits.oldest_at.isoformat() if waits and waits.oldest_at else None,
            },
        }


def lake_status(settings: Settings) -> LakeStatus:
    """Look at the logs of the lake's tables and at the intake log. Raises StoreError when one cannot be read."""
    from hub.intake.log import IntakeLog
    from hub.lake.state import state_of

    log = IntakeLog(settings.intake_url)
    return LakeStatus(state_of(Lake(settings.lake_root)), log.backlog() if log.exists() else None)


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor looked at: `ok`, what it found, and what to do when it is not well."""

    subject: str
    ok: bool
    said: str
    advice: str = ""


def diagnose(settings: Settings) -> list[Finding]:
    """Look at everything that a hub stands on. Works before there is one; changes nothing."""
    return [replace(each, advice="") if each.ok else each for each in _findings(settings)]


def _findings(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    if not home.exists():
        yield Finding("home", False, f"{home} is not there", "Make a hub with `hub init`.")
        return
    yield Finding("home", os.access(home, os.W_OK), f"{home}", "Make it writable for this user.")
    free = shutil.disk_usage(home).free
    yield Finding("disk", free > LEAST_FREE, f"{free / 1024**3:.1f} GiB free", "Make room.")
    yield _database(settings)
    yield _tables(settings)
    yield _engine(settings)
    yield _intake(settings)
    yield _key(settings)
    yield _privacy(home)
    yield from _plugins()


def _database(settings: Settings) -> Finding:
    try:
        store = Store(settings.control_plane_url)
        found, kind = store.schema_version(), store.kind()
    except HubError as error:
        advice = error.hint.replace("Run `hub doctor`.", "Put back a copy of it that works.")
        return Finding("database", False, error.message, advice)
    if found != SCHEMA_HEAD:
        return Finding("database", False, f"schema {found or 'missing'}", "Run `hub init`.")
    return Finding("database", True, f"schema {found}, {kind}")


def _tables(settings: Settings) -> Finding:
    lake = Lake(settings.lake_root)
    try:
        files = sum(len(lake.files(layout)) for layout in LAYOUTS)
    except HubError as error:
        return Finding("lake", False, error.message, "Run `hub init`: it makes what is missing.")
    return Finding("lake", True, f"{len(LAYOUTS)} tables, {files} files")


def _engine(settings: Settings) -> Finding:
    from hub.lake.reading import engine_at_hand

    try:
        return Finding("engine", True, engine_at_hand(settings.engine))
    except HubError as error:
        return Finding("engine", False, error.message, error.hint)


def _intake(settings: Settings) -> Finding:
    from hub.intake.log import IntakeLog

    log = IntakeLog(settings.intake_url)
    try:
        waiting = log.backlog() if log.exists() else None
    except HubError as error:
        advice = error.hint.replace("Run `hub doctor`.", _NEW_LOG)
        return Finding("intake log", False, error.message, advice)
    if waiting is None or waiting.oldest_at is None:
        return Finding("intake log", True, "nothing waits to be moved")
    said = f"{counted(waiting.records, 'record')} to be moved, the oldest came in {ago(waiting.oldest_at)}"
    return Finding(
        "intake log", now() - waiting.oldest_at < LONGEST_WAIT, said, "Run `hub run-due`: it moves, or says why not."
    )


def _key(settings: Settings) -> Finding:
    from hub.store.secrets import open_vault

    try:
        open_vault(settings)
    except HubError as error:
        return Finding("key", False, error.message, error.hint)
    if settings.key is not None:
        return Finding("key", True, "from HUB_KEY")
    private = settings.key_file.stat().st_mode & 0o077 == 0
    return Finding("key", private, f"{settings.key_file}", "Others can read it: chmod 600 it.")


def _privacy(home: Path) -> Finding:
    open_to_others = readable_by_others(home)
    said = (
        f"others can read {', '.join(path.name for path in open_to_others)}" if open_to_others else "the owner's alone"
    )
    return Finding("privacy", not open_to_others, said, "Run `hub init`: it takes that from them.")


def _plugins() -> Iterator[Finding]:
    from hub.connectors.plugins import load_plugins

    for plugin in load_plugins().found:
        said = f"{plugin.distribution} {plugin.version}: {', '.join(plugin.connectors) or 'no connectors'}"
        yield Finding(
            f"plugin {plugin.name}", not plugin.error, plugin.error or said, "It is left out; tell its author."
        )
