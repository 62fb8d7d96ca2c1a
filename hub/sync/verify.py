"""Verifying a sync: who is in the audience by the partner's own word, beside what the hub holds.

A verification changes nothing, here or there; what is decided about it does (`hub.sync.verify_books`). It has the
lease of its audience, so that no run changes the books meanwhile. Killed or stopped, it leaves nothing behind but a
row that says so.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from hub.clock import now
from hub.cohorts.asked import asked_for
from hub.connectors.contract import Ability, Audience, Connector
from hub.errors import Busy, CredentialRefused, Held, HubError, SettingsWrong, UsageError
from hub.store.lease import Lease, leased
from hub.store.tables import audiences
from hub.sync.attempts_writing import Attempts
from hub.sync.engine import Engine
from hub.sync.evaluated import evaluate
from hub.sync.holding import held_version
from hub.sync.ledger import Ledger
from hub.sync.ownership import Ownership
from hub.sync.rows import SyncRows
from hub.sync.states import RunState
from hub.sync.verify_books import Decisions, decisions_of, open_books, report_folder, write_books
from hub.sync.verify_findings import Compared, Comparison
from hub.sync.verify_listing import write_listing
from hub.sync.verify_reports import Reports, Verification, Way, findings_file

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.connectors.connections import Connections
    from hub.workspace import Workspace

Told = Callable[[int, int], None]
"""Called now and then with how many members the partner has told of, and how many the hub holds."""


class Verifier:
    """Verifies the syncs of one project."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._cohorts = cohorts
        self._connections = connections
        self._rows = SyncRows(workspace.store, workspace.project.id)
        self._ownership = Ownership(workspace.store, connections, workspace.project)
        self._reports = Reports(workspace)

    async def verify(self, name: str, *, everything: bool, told: Told, stop: threading.Event) -> Verification:
        """Ask the partner, compare, and return what was found. See `Syncs.verify`."""
        sync = await asyncio.to_thread(self._rows.row, name)
        kind = self._connections.kind(sync.connection_name)
        _refuse_silent(kind, sync)
        audience = await asyncio.to_thread(self._audience, sync)
        async with leased(self._store, audiences, audience.id, what=f"The audience {audience.name!r}") as lease:
            await asyncio.to_thread(self._refuse_unfinished, audience.id, sync)
            version = await asyncio.to_thread(self._held_version, audience.id)
            report = await asyncio.to_thread(self._reports.begin, lease, sync, audience.id, version)
            folder = report_folder(self._workspace, report) / "work"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                compared = await self._compared(sync, audience, kind, report, folder, everything, told, stop)
            except BaseException as error:
                said = error.message if isinstance(error, HubError) else "It was broken off."
                await asyncio.to_thread(self._reports.fail, report, said)
                if isinstance(error, CredentialRefused | SettingsWrong):
                    self._connections.note(sync.connection_id, error)
                raise
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            values_read = Ability.READ in kind.abilities and bool(sync.mapping)
            await asyncio.to_thread(self._reports.end, lease, report, compared, values_read=values_read)
        return await asyncio.to_thread(self._reports.get, report)

    async def decide(self, report_id: int, chosen: Mapping[Way, Sequence[str]]) -> Verification:
        """Do something about what a verification found. See `Syncs.decide`."""
        decided = decisions_of(chosen)
        report = await asyncio.to_thread(self._reports.row, report_id)
        sync = await asyncio.to_thread(self._rows.row, report.sync_name)
        decided = {kind: way for kind, way in decided.items() if report.found.get(kind.value)}
        if not decided:
            return await asyncio.to_thread(self._reports.get, report_id)
        self._ownership.refuse_superseded(sync)
        async with leased(self._store, audiences, report.audience_id, what=f"The sync {sync.name}") as lease:
            await asyncio.to_thread(self._refuse_unfinished, report.audience_id, sync)
            report = await asyncio.to_thread(self._reports.row, report_id)
            await asyncio.to_thread(self._refuse_overtaken, report, sync)
            run_id = await asyncio.to_thread(self._open, lease, report, sync, decided)
            engine = Engine(self._workspace, self._cohorts, self._connections, Ledger(self._store, lease))
            await engine.carry_out(run_id, lambda progress: None, threading.Event())
        return await asyncio.to_thread(self._reports.get, report_id)

    def _audience(self, sync: Row[Any]) -> Row[Any]:
        self._ownership.refuse_superseded(sync)
        with self._store.reading() as connection:
            known = self._ownership.find(connection, sync)
        ours = [row for row in known if row.project_id == sync.project_id and row.gone_at is None]
        if not ours or ours[0].ref is None:
            raise UsageError(
                f"There is nothing to verify: the partner has no audience {sync.audience_name!r} of {sync.name} (any "
                "more).",
                hint=f"`hub sync run {sync.name}` makes it, and fills it.",
            )
        return ours[0]

    def _refuse_unfinished(self, audience_id: int, sync: Row[Any]) -> None:
        """Make sure that no run of the audience is left in the middle: what it holds would be anybody's guess."""
        ledger = Ledger(self._store)
        run_id = ledger.unfinished(audience_id)
        if run_id is None:
            return
        if ledger.row(run_id).state == RunState.HELD:
            raise Busy(
                f"Run {run_id} of the audience {sync.audience_name!r} is held by a guard.",
                hint=f"`hub sync approve {run_id}` or `hub sync refuse {run_id}` first; nothing was asked or changed.",
            )
        raise Busy(
            f"Run {run_id} of the audience {sync.audience_name!r} was interrupted, and has not ended.",
            hint=f"`hub sync run {sync.name}` goes on with it; nothing was asked or changed.",
        )

    def _refuse_overtaken(self, report: Row[Any], sync: Row[Any]) -> None:
        if report.state != "done":
            raise UsageError(f"Verification {report.id} found nothing out: {report.message}")
        if report.run_id is not None:
            raise UsageError(f"Run {report.run_id} has written down what was decided about verification {report.id}.")
        if self._held_version(report.audience_id) != report.held_version:
            raise Held(
                f"What the partner holds has changed since verification {report.id}, and nothing was changed.",
                hint=f"`hub sync verify {sync.name}` looks again.",
            )
        if not findings_file(self._workspace, report.id).exists():
            raise UsageError(
                f"What verification {report.id} found is no longer kept.", hint=f"`hub sync verify {sync.name}`."
            )

    def _held_version(self, audience_id: int) -> int:
        with self._workspace.reading_here() as reader:
            return held_version(reader, audience_id)

    def _open(self, lease: Lease, report: Row[Any], sync: Row[Any], decided: Decisions) -> int:
        folder = report_folder(self._workspace, report.id)
        findings = findings_file(self._workspace, report.id)
        with self._workspace.reading_here() as reader:
            write_books(reader, findings, decided, report=report, sync=sync, folder=folder)
        return open_books(self._workspace, lease, decided, report=report, sync=sync)

    async def _compared(
        self,
        sync: Row[Any],
        audience: Row[Any],
        kind: type[Connector],
        report: int,
        folder: Path,
        everything: bool,
        told: Told,
        stop: threading.Event,
    ) -> Compared:
        began = now()
        targets = sorted(sync.mapping)
        listing = folder / "listing.parquet"
        held = await asyncio.to_thread(self._reports.held, audience.id)
        there = Audience(ref=audience.ref, name=audience.name, url=audience.url)
        async with self._connections.opened(sync.connection_name) as connector:
            with Attempts(self._workspace, report_folder(self._workspace, report).name) as attempts:
                await write_listing(
                    connector, there, targets, listing, attempts, told=lambda rows: told(rows, held), stop=stop
                )

        def compare() -> Compared:
            read = targets if Ability.READ in kind.abilities else []
            return self._compare(sync, audience.id, kind, listing, read, began, everything, folder, report)

        return await asyncio.to_thread(compare)

    def _compare(
        self,
        sync: Row[Any],
        audience_id: int,
        kind: type[Connector],
        listing: Path,
        targets: Sequence[str],
        began: datetime,
        everything: bool,
        folder: Path,
        report: int,
    ) -> Compared:
        with self._workspace.reading_here() as reader:
            comparison = Comparison(
                reader,
                kind,
                audience_id=audience_id,
                listing=listing,
                targets=targets,
                horizon=began - kind.limits.visible_after,
                everything=everything,
                folder=folder,
            )
            comparison.refused(iter(Ledger(self._store).refused.of_audience(audience_id)))
            members = self._members(sync, kind, folder) if comparison.strangers() else None
            return comparison.write(findings_file(self._workspace, report), members)

    def _members(self, sync: Row[Any], kind: type[Connector], folder: Path) -> Path:
        """The evaluated cohort: which strangers are in it?"""
        file = folder / "members.parquet"
        asked = asked_for(self._workspace, [sync.cohort_name])[0]
        evaluate(self._workspace, asked.question, self._connections.match(sync.connection_name), {}, file)
        return file


def _refuse_silent(kind: type[Connector], sync: Row[Any]) -> None:
    """A partner that tells nobody's name leaves the question open: that is not "nothing differs"."""
    if Ability.LIST not in kind.abilities:
        raise UsageError(
            f"I cannot tell who is in {sync.audience_name!r}: {kind.label} has no call that lists an audience. That is "
            "not to say that nothing differs.",
            hint=f"`hub sync show {sync.name}` tells what it has acknowledged.",
        )
