"""Syncs as people look after them: what the partner really has, and runs taken back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hub.sync.rows import SyncRows
from hub.sync.undo import Undo, Undoing
from hub.sync.verify import Verifier
from hub.sync.verify_books import decisions_of
from hub.sync.verify_findings import Found, Kind
from hub.sync.verify_reports import Reports, Verification, Way

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.connectors.connections import Connections
    from hub.sync.models import Report, Run
    from hub.sync.verify import Told
    from hub.workspace import Workspace


class Repairs:
    """The part of the syncs of one project that asks the partner, and mends."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections) -> None:
        self._verifier = Verifier(workspace, cohorts, connections)
        self._undoing = Undoing(workspace, cohorts, connections)
        self._reports = Reports(workspace)
        self._named = SyncRows(workspace.store, workspace.project.id)

    async def verify(
        self,
        name: str,
        *,
        adopt: Sequence[Kind | str] = (),
        repair: Sequence[Kind | str] = (),
        ignore: Sequence[Kind | str] = (),
        everything: bool = False,
        told: Told | None = None,
        stop: threading.Event | None = None,
    ) -> Verification:
        """Ask the partner who is in the audience of a sync, and compare that with what the hub holds.

        Nothing is changed, but for what is to be done about findings of the kinds in `adopt`, `repair` and `ignore`, as
        `decide` does it. With `everything` known extras are found again. `told(listed, held)` is called now and then;
        setting `stop` ends it. Raises NotFound, UsageError (the partner cannot list; nothing is there; a way that is
        not for a kind), Busy (a run is under way or held), AudienceGone and other PartnerErrors, Interrupted,
        StoreError; after any of these nothing has changed.
        """
        chosen = {Way.ADOPT: adopt, Way.REPAIR: repair, Way.IGNORE: ignore}
        decisions_of(chosen)
        found = await self._verifier.verify(
            name,
            everything=everything,
            told=told or (lambda listed, held: None),
            stop=stop or threading.Event(),
        )
        return await self._verifier.decide(found.id, chosen) if any(chosen.values()) else found

    async def decide(
        self,
        verification: int,
        *,
        adopt: Sequence[Kind | str] = (),
        repair: Sequence[Kind | str] = (),
        ignore: Sequence[Kind | str] = (),
    ) -> Verification:
        """Do something about what a verification found, once. What is not named stays as it is.

        `adopt`: extras are the hub's from now on, and taken out when they leave. `repair`: missing and changed members
        go out again with the next run, uncertain ones that are there are certain. `ignore`: extras are known from now
        on. Raises NotFound, UsageError (a way that is not for a kind; it was decided before), Held (what the partner
        holds has changed since), Busy, StoreError; then nothing has changed.
        """
        return await self._verifier.decide(verification, {Way.ADOPT: adopt, Way.REPAIR: repair, Way.IGNORE: ignore})

    def verification(self, verification: int) -> Verification:
        """What a verification found, with samples. Raises NotFound."""
        return self._reports.get(verification)

    def findings(self, verification: int, kind: Kind) -> Iterator[Found]:
        """Everybody of one kind whom a verification found, by key, some thousand at a time. Raises NotFound."""
        return self._reports.findings(verification, kind)

    def last_verification(self, name: str) -> Verification | None:
        """The newest verification of a sync that found something out, without samples. Raises NotFound."""
        return self._reports.last(self._named.row_or_removed(name).id)

    def undoing(self, run_id: int) -> Undo:
        """What taking a run back would do now, to whom, and who would stay as they are. Changes nothing.

        Raises NotFound, UsageError (it cannot be taken back; says why).
        """
        return self._undoing.preview(run_id)

    async def undo(
        self, run_id: int, *, digest: str = "", report: Report | None = None, stop: threading.Event | None = None
    ) -> Run:
        """Take a run back, as far as nobody has changed its members since, and pause its sync, which would do it again.

        The result is a run of its own, which guards may hold. With `digest` it is made only if it would do exactly what
        `undoing` told. An undo of the run that was interrupted is gone on with. Raises as `undoing`; Held (`digest`),
        Busy, CredentialRefused, Interrupted, StoreError.
        """
        return await self._undoing.undo(run_id, digest, report or (lambda progress: None), stop or threading.Event())
