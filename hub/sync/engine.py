"""Carrying out one run: evaluate, plan, deliver, settle, from wherever it stands."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from hub.clock import counted, now
from hub.connectors.connections import Connections
from hub.connectors.contract import Audience, Connector
from hub.errors import AudienceGone, CredentialRefused, HubError, Interrupted, SettingsWrong, StoreError
from hub.store.tables import audiences
from hub.sync.attempts_writing import Attempts
from hub.sync.deliver import NOT_ITS_END, Delivery, open_audience
from hub.sync.delivered import note_delivered
from hub.sync.held import compact
from hub.sync.holding import REFUSED, REPLACED, end_wait
from hub.sync.ledger import Ledger
from hub.sync.memory import with_little
from hub.sync.models import Progress, Report, Run
from hub.sync.observed import Observers
from hub.sync.parties import Parties, parties_of
from hub.sync.plan import (
    forget_plan,
    members_file,
    plan_file,
)
from hub.sync.planned import PlanReader
from hub.sync.preparing import Preparation
from hub.sync.run_files import need, wrong_with
from hub.sync.runs import Runs
from hub.sync.settle import Settled, settle
from hub.sync.states import BatchState, RunState
from hub.sync.triggers import Trigger
from hub.sync.verify_books import end_books

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.workspace import Workspace


class Engine:
    """Carries runs out. Whoever calls it holds the lease of the run's audience."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections, ledger: Ledger) -> None:
        self._workspace = workspace
        self._cohorts = cohorts
        self._connections = connections
        self._ledger = ledger
        self._runs = Runs(workspace.store)
        self._observers = Observers(workspace, connections, self._runs)

    async def carry_out(self, run_id: int, report: Report, stop: threading.Event) -> Run:
        """Take a run from the state that it is in to its end.

        What ends a run early (a refused credential, a partner that is away) is its state and message, not an error.
        Raises Interrupted when `stop` was set, and StoreError when a disk is full: then the run can be resumed.
        """
        parties = await asyncio.to_thread(parties_of, self._workspace.store, run_id)
        await self._observers.before(parties)
        run = await self._carried_out(parties, report, stop)
        await self._observers.after(parties)
        return run

    async def _carried_out(self, parties: Parties, report: Report, stop: threading.Event) -> Run:
        run_id = parties.run.id
        if problem := await asyncio.to_thread(self._lost_plan, run_id):
            return await asyncio.to_thread(self._give_up, run_id, problem)
        try:
            await self._prepare(parties, report, stop)
        except (Interrupted, *NOT_ITS_END):
            raise
        except HubError as error:
            self._ledger.move(run_id, RunState.FAILED, message=error.message, hint=error.hint)
            return await asyncio.to_thread(self._runs.get, run_id)
        if self._state(run_id) is RunState.DELIVERING:
            await self._deliver(parties, report, stop)
        if self._state(run_id) is RunState.SETTLING:
            report(Progress(run_id, RunState.SETTLING))
            await self._timed(run_id, "settle", lambda: self._settle(parties))
        return await asyncio.to_thread(self._runs.get, run_id)

    async def end(self, run_id: int, why: str) -> Run:
        """End a run that was interrupted, without asking the partner; what was acknowledged counts.

        Raises StoreError when a disk is full: then it can be ended again.
        """
        state = self._state(run_id)
        if state in (RunState.EVALUATING, RunState.PLANNING):
            await asyncio.to_thread(self._ledger.move, run_id, RunState.FAILED, message=why)
            return await asyncio.to_thread(self._runs.get, run_id)
        if state is RunState.HELD:
            await asyncio.to_thread(end_wait, self._workspace.store, run_id, REPLACED, message=why)
        if state is RunState.DELIVERING and await asyncio.to_thread(self._lost_plan, run_id) is None:
            await asyncio.to_thread(self._ledger.stop_delivering, run_id, message=why)
        return await self.carry_out(run_id, lambda progress: None, threading.Event())

    async def _prepare(self, parties: Parties, report: Report, stop: threading.Event) -> None:
        run_id = parties.run.id
        if self._state(run_id) is RunState.EVALUATING:
            report(Progress(run_id, RunState.EVALUATING))
            await self._timed(run_id, "evaluate", lambda: self._preparing(lambda of: of.evaluate(parties)))
        _heed(stop, parties)
        if self._state(run_id) is RunState.PLANNING:
            if parties.run.undoes is None:
                need(members_file(self._workspace, run_id))
            report(Progress(run_id, RunState.PLANNING))
            await self._timed(run_id, "plan", lambda: self._preparing(lambda of: of.plan(parties)))
        _heed(stop, parties)

    def _preparing(self, step: Callable[[Preparation], None]) -> None:
        with_little(self._workspace, lambda workspace: step(Preparation(workspace, self._connections, self._ledger)))

    def _lost_plan(self, run_id: int) -> HubError | None:
        """Why the plan of a run that was being delivered cannot be gone on with."""
        has_plan = self._state(run_id) in (RunState.DELIVERING, RunState.SETTLING)
        return wrong_with(plan_file(self._workspace, run_id)) if has_plan and self._ledger.batches(run_id) else None

    def _give_up(self, run_id: int, problem: HubError) -> Run:
        """End a run whose plan is gone: nobody can tell any more whom its batches were about."""
        if self._state(run_id) is RunState.DELIVERING:
            self._ledger.stop_delivering(run_id)
        self._ledger.move(run_id, RunState.FAILED, message=problem.message, hint=problem.hint)
        return self._runs.get(run_id)

    async def _deliver(self, parties: Parties, report: Report, stop: threading.Event) -> None:
        run_id = parties.run.id
        started = monotonic()
        waiting = await asyncio.to_thread(self._ledger.batches, run_id, BatchState.PLANNED)
        ended_by: HubError | None = None
        if parties.audience.gone_at:
            ended_by = AudienceGone(f"The audience {parties.audience.name!r} is gone at the partner.")
        elif waiting or parties.audience.ref is None:
            try:
                async with self._connections.opened(parties.connection) as connector:
                    with Attempts(self._workspace, run_id, lease=self._ledger.lease) as attempts:
                        ended_by = await self._send(parties, connector, attempts, report, stop)
            except NOT_ITS_END:
                raise
            except HubError as error:
                ended_by = error
        self._add_time(run_id, "deliver", monotonic() - started)
        if stop.is_set() and ended_by is None and self._ledger.batches(run_id, BatchState.PLANNED):
            _heed(stop, parties)
        await asyncio.to_thread(self._end_delivery, parties, ended_by)

    async def _send(
        self, parties: Parties, connector: Connector, attempts: Attempts, report: Report, stop: threading.Event
    ) -> HubError | None:
        audience = await self._audience(parties, connector, attempts)
        run = await asyncio.to_thread(self._runs.get, parties.run.id)
        done = sum(batch.size for batch in self._ledger.batches(run.id, BatchState.ACKNOWLEDGED, BatchState.OWED))

        def answered(members: int) -> None:
            nonlocal done
            done += members
            report(Progress(run.id, RunState.DELIVERING, done, run.planned))

        answered(0)
        delivery = Delivery(
            ledger=self._ledger,
            attempts=attempts,
            connector=connector,
            audience=audience,
            audience_id=parties.audience.id,
            run_id=run.id,
            plan=PlanReader(plan_file(self._workspace, run.id)),
            answered=answered,
            stop=stop,
            payload=self._observers.payload(parties),
        )
        await delivery.finish()
        return delivery.ended_by

    async def _audience(self, parties: Parties, connector: Connector, attempts: Attempts) -> Audience:
        row = parties.audience
        if row.ref is not None:
            return Audience(ref=row.ref, name=row.name, url=row.url)
        opened = await open_audience(connector, row.name, attempts)
        with self._workspace.store.writing() as connection:
            connection.execute(
                audiences.update().where(audiences.c.id == row.id).values(ref=dict(opened.ref), url=opened.url)
            )
        return opened

    def _end_delivery(self, parties: Parties, ended_by: HubError | None) -> None:
        if ended_by is None and self._ledger.batches(parties.run.id, BatchState.HELD):
            self._ledger.move(parties.run.id, RunState.HELD, held_at=now())
            return
        values: dict[str, str] = {}
        if ended_by:
            values = {"message": ended_by.message, "hint": ended_by.hint}
        if isinstance(ended_by, CredentialRefused | SettingsWrong):
            self._connections.note(parties.sync.connection_id, ended_by)
        if isinstance(ended_by, AudienceGone) and not parties.audience.gone_at:
            with self._workspace.store.writing() as connection:
                connection.execute(
                    audiences.update().where(audiences.c.id == parties.audience.id).values(gone_at=now())
                )
        if isinstance(ended_by, AudienceGone):
            values["hint"] = "The next run makes the audience anew and sends everybody."
        self._ledger.stop_delivering(parties.run.id, **values)

    def _settle(self, parties: Parties) -> None:
        run_id = parties.run.id
        if parties.run.trigger == Trigger.VERIFY:
            end_books(self._workspace, self._ledger, parties.run)
            return
        settle(
            self._workspace,
            Settled(
                project_id=self._workspace.project.id,
                connection_id=parties.sync.connection_id,
                audience_id=parties.audience.id,
                sync_id=parties.sync.id,
                run_id=run_id,
            ),
            plan=plan_file(self._workspace, run_id),
            batches=self._ledger.batches(run_id),
            refused=partial(self._ledger.refused.of_batches, run_id),
        )
        with contextlib.suppress(StoreError):  # what was not written anew now will be after the next run
            with_little(self._workspace, lambda workspace: compact(workspace, parties.audience.id))
        run = self._runs.get(run_id)
        failed = bool(run.owed or run.message)
        ended = RunState.FAILED if failed else RunState.DONE
        if run.decision in (REFUSED, REPLACED):
            ended = RunState.REFUSED
        with_little(
            self._workspace, lambda workspace: note_delivered(workspace, parties, complete=ended is RunState.DONE)
        )
        self._ledger.move(run_id, ended, message=_closing_words(run))
        if not run.planned:
            forget_plan(self._workspace, run_id)

    def _state(self, run_id: int) -> RunState:
        return RunState(self._ledger.row(run_id).state)

    async def _timed(self, run_id: int, phase: str, step: Callable[[], None]) -> None:
        started = monotonic()
        await asyncio.to_thread(step)
        self._add_time(run_id, phase, monotonic() - started)

    def _add_time(self, run_id: int, phase: str, seconds: float) -> None:
        timings = dict(self._ledger.row(run_id).timings)
        timings[phase] = round(timings.get(phase, 0.0) + seconds, 3)
        self._ledger.note(run_id, timings=timings)


def _heed(stop: threading.Event, parties: Parties) -> None:
    if stop.is_set():
        raise Interrupted(
            f"Run {parties.run.id} of {parties.sync.name} was stopped; everything so far is saved.",
            signal_number=2,
            hint=f"`hub sync run {parties.sync.name}` goes on with it.",
        )


def _closing_words(run: Run) -> str:
    said = run.message
    if run.owed and run.undoes is not None:
        tries = f"`hub sync undo {run.undoes}` tries again"
        said = f"{counted(run.owed, 'member')} could not be taken back: {tries}. {said}".strip()
    elif run.owed:
        owed = counted(run.owed, "member is", "members are")
        said = f"{owed} owed and go out with the next run. {said}".strip()
    return f"{run.doubts} {said}".strip()
