"""What is due: syncs, pulls, decoding and checks of all projects. `run-due` does each once, a daemon over and over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hub.clock import now
from hub.connectors.connection import CONNECTED
from hub.errors import Busy, HubError, Interrupted
from hub.inbound.log import InboundLog
from hub.sync.models import Run
from hub.sync.states import RunState
from hub.sync.triggers import Trigger

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.workspace import Project

DONE, FAILED, HELD, REJECTED = 0, 1, 3, 4

SYNC, PULL, DECODE, CHECK = "sync", "pull", "decode", "check"


@dataclass(frozen=True)
class Task:
    """One thing that is due: a run of the sync `name` of a project; a pull or a check of its connection `name`, or
    decoding what came in at that connection's door."""

    kind: str
    project: Project
    name: str

    def __str__(self) -> str:
        return f"{_SAID.get(self.kind, 'message events of')} {self.name}"


_SAID = {SYNC: "sync", CHECK: "connection"}


class Agenda:
    """What is due in a hub, and how each thing is done.

    It works on all projects; with `only`, on that of `hub` alone. Projects are made and changed while it lives.
    """

    def __init__(self, hub: Hub, *, only: bool = False) -> None:
        self._hub = hub
        self._only = only
        self._hubs: dict[Project, Hub] = {hub.workspace.project: hub}
        self._inbound = InboundLog(hub.settings.intake_url)
        self.several = False
        """Whether the hub had several projects when it was looked at last."""

    def due(self) -> list[Task]:
        """What is due now: syncs, the longest waiting first, then decoding, then pulls, then checks of connections. One
        question for each kind, and no loop.

        What a clock that was set back had put off is scheduled anew, and what a process of this machine had in hand
        when it died is free at once. Raises StoreError.
        """
        from hub.connectors.due import due_checks
        from hub.inbound.due import due_decodes, due_pulls
        from hub.store.lease import let_go_of_the_dead
        from hub.store.tables import audiences
        from hub.sync.due import due_syncs, follow_clock

        at, store = now(), self._hub.workspace.store
        projects = {project.id: project for project in self._projects()}
        follow_clock(store, at)
        let_go_of_the_dead(store, audiences)
        found = [(SYNC, each.project_id, each.name) for each in due_syncs(store, at)]
        found += [(DECODE, each.project_id, each.name) for each in due_decodes(store, self._inbound, at)]
        found += [(PULL, each.project_id, each.name) for each in due_pulls(store, self._hub.plugins, at)]
        found += [(CHECK, each.project_id, each.name) for each in due_checks(store, self._hub.plugins, at)]
        return [Task(kind, projects[owner], name) for kind, owner, name in found if owner in projects]

    def still_due(self, task: Task) -> bool:
        """Whether a task is due now, too: it may have been done or stopped by somebody else."""
        from hub.connectors.due import due_checks
        from hub.inbound.due import due_decodes, due_pulls

        hub, at = self.hub_of(task), now()
        if task.kind == SYNC:
            return hub.syncs.is_due(task.name, at)
        if task.kind == CHECK:
            checks = due_checks(hub.workspace.store, hub.plugins, at, project_id=task.project.id)
            return task.name in [each.name for each in checks]
        if task.kind == DECODE:
            waiting = due_decodes(hub.workspace.store, self._inbound, at)
        else:
            waiting = due_pulls(hub.workspace.store, hub.plugins, at, project_id=task.project.id)
        return (task.project.id, task.name) in [(each.project_id, each.name) for each in waiting]

    async def do(self, task: Task, stop: threading.Event) -> Run | int | None:
        """Do a task: returns how the run ended, or how many new message events came of it; None of a check.

        Raises Busy when somebody else is at it, Interrupted when `stop` was set, HubError as the two say, and when a
        connection does not work any more.
        """
        hub = await asyncio.to_thread(self.hub_of, task)
        if task.kind == SYNC:
            return await hub.syncs.run(task.name, trigger=Trigger.SCHEDULE.value, stop=stop)
        if task.kind == DECODE:
            return (await asyncio.to_thread(hub.inbound.decode, task.name, stop=stop)).new
        if task.kind == CHECK:
            await _check(hub, task.name)
            return None
        return (await hub.inbound.pull(task.name, stop=stop)).new

    def title(self, task: Task) -> str:
        """The name of a task for a person, with its project when there are several."""
        return f"{task.project.name}/{task.name}" if self.several else task.name

    def hub_of(self, task: Task) -> Hub:
        """The hub on the project of a task. Its parts are shared by all tasks of the project."""
        if task.project not in self._hubs:
            made = type(self._hub)(replace(self._hub.workspace, project=task.project))
            made.plugins = self._hub.plugins
            self._hubs[task.project] = made
        return self._hubs[task.project]

    def _projects(self) -> Iterator[Project]:
        found = [self._hub.workspace.project] if self._only else self._hub.projects.list()
        self.several = len(found) > 1
        yield from found


async def _check(hub: Hub, name: str) -> None:
    found = await hub.connections.check(name)
    if found.state != CONNECTED:
        raise HubError(f"The connection {name} to {found.label} does not work: {found.message}")


@dataclass
class Due:
    """What one round did: runs, new message events by connection (`pulled`, and `received` at the door), and problems
    by sync or connection."""

    runs: list[Run] = field(default_factory=list)
    pulled: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)
    """Connections that were found to work."""

    @property
    def exit_code(self) -> int:
        """The worst of the round: 1 something failed, 3 a guard holds a run, 4 somebody was rejected, 0 all is well."""
        states = {run.state for run in self.runs}
        if self.problems or RunState.FAILED in states:
            return FAILED
        if RunState.HELD in states:
            return HELD
        return REJECTED if any(run.rejected for run in self.runs) else DONE


async def run_due(hub: Hub, *, say: Callable[[str], None], stop: threading.Event, only: bool = False) -> Due:
    """Run every sync that is due, then those that follow one that ran, and take in the message events that are due.

    One after another, of all projects (with `only`, of this hub's). One that fails does not keep the others from
    running. `say` is told each step. An audience that somebody else works on is left to him. What has arrived by now
    is moved into the lake first, and the lake is maintained at the end. Raises Interrupted when `stop` was set, after
    what is under way was saved.
    """
    if hub.workspace.drain:
        await asyncio.to_thread(hub.workspace.drain)
    await tend_alerts(hub, say=say)
    due, agenda, tried = Due(), Agenda(hub, only=only), set[Task]()
    while tasks := [task for task in agenda.due() if task not in tried]:
        for task in tasks:
            tried.add(task)
            if not agenda.still_due(task):
                continue  # stopped, or run by somebody else, while the others ran
            await _do(agenda, task, due, say=say, stop=stop)
    if not stop.is_set():
        await _maintain(hub, due, say=say, stop=stop)
    await tend_alerts(hub, say=say)
    return due


async def tend_alerts(hub: Hub, *, say: Callable[[str], None]) -> None:
    """Look at what is wrong, and send the alerts that wait. What did not arrive is told; it is tried again."""
    try:
        for attempt in await hub.alerts.tend():
            if not attempt.arrived:
                say(f"An alert to {attempt.channel} did not arrive: {attempt.answer}")
    except HubError as error:
        say(f"Alerts cannot be tended: {error.message} {error.hint}".strip())


async def _do(agenda: Agenda, task: Task, due: Due, *, say: Callable[[str], None], stop: threading.Event) -> None:
    name = agenda.title(task)
    say(f"{_SAID.get(task.kind, 'message events of')} {name}")
    try:
        done = await agenda.do(task, stop)
    except Interrupted:
        raise
    except Busy as error:
        say(f"{name}: {error.message}")
    except HubError as error:
        due.problems[name] = f"{error.message} {error.hint}".strip()
    else:
        if isinstance(done, Run):
            due.runs.append(done)
        elif done is None:
            due.checked.append(name)
        elif task.kind == DECODE:
            due.received[name] = done
        else:
            due.pulled[name] = done


async def _maintain(hub: Hub, due: Due, *, say: Callable[[str], None], stop: threading.Event) -> None:
    try:
        for done in await asyncio.to_thread(hub.maintain, stop):
            say(done)
    except HubError as error:
        due.problems["the lake"] = f"{error.message} {error.hint}".strip()
