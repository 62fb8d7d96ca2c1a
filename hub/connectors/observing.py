"""Calling the hooks around the loop: what plugins may change of a batch, and what they are told of runs and events.

Where no plugin implements them they cost nothing. Observers are contained: what they raise is logged with the plugin's
name, and the loop goes on. A payload hook that raises stops its batch: what it was to take out must not leave.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.connectors import plugins
from hub.connectors.contract import Member
from hub.connectors.messages import MessageEvent
from hub.errors import PluginError

_said = logging.getLogger("hub.plugins")


@dataclass(frozen=True)
class ConnectionRef:
    """Which connection a hook is called for. Names are unique within a project."""

    project: str
    name: str
    connector: str


@dataclass(frozen=True)
class SyncRun:
    """A run of a sync, as plugins are told of it.

    `state` is `evaluating` before the first step; afterwards `done`, `failed`, `refused`, or `held` while a person is
    waited for. `trigger` says who asked (`schedule`, `manual`, `verify`, ...). Counts are members: `qualified` are in
    the cohort, `skipped` of them cannot go out, by reason; `added`, `updated`, `removed` were acknowledged by the
    partner, `rejected` refused, `owed` go out with the next run. Times are aware UTC. `message` is for people.
    """

    id: int
    sync: str
    cohort: str
    connection: ConnectionRef
    audience: str
    trigger: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    qualified: int = 0
    skipped: Mapping[str, int] | None = None
    added: int = 0
    updated: int = 0
    removed: int = 0
    rejected: int = 0
    owed: int = 0
    message: str = ""


def anybody(hook: str) -> bool:
    """Whether a plugin implements a hook."""
    return bool(plugins.load_plugins().implementing(hook))


async def payload(connection: ConnectionRef, members: Sequence[Member]) -> Sequence[Member]:
    """The batch as the plugins' hooks `hub_member_payload` leave it, called one after another by the plugins' names.

    Raises PluginError, naming the plugin, when one raises, or changes who is in the batch.
    """
    for name, call in plugins.load_plugins().implementing("hub_member_payload"):
        members = await asyncio.to_thread(_changed, name, call, connection, members)
    return members


async def before_run(run: SyncRun) -> None:
    """Tell plugins that a run begins, or is gone on with."""
    await _tell("hub_before_run", run=run)


async def after_run(run: SyncRun) -> None:
    """Tell plugins how a run ended."""
    await _tell("hub_after_run", run=run)


def message_events(connection: ConnectionRef, events: Sequence[MessageEvent]) -> None:
    """Tell plugins of message events that are kept now. Called on the worker thread that kept them."""
    for name, call in plugins.load_plugins().implementing("hub_message_events"):
        _contained("hub_message_events", name, call, connection=connection, events=tuple(events))


async def _tell(hook: str, **told: Any) -> None:
    for name, call in plugins.load_plugins().implementing(hook):
        await asyncio.to_thread(_contained, hook, name, call, **told)


def _contained(hook: str, name: str, call: Any, **told: Any) -> None:
    try:
        call(**told)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an observer stops nothing, whatever it raises
        _said.warning(
            "The plugin %s failed in %s with %s: %s. Nothing was stopped by it.",
            name,
            hook,
            type(error).__name__,
            error,
            exc_info=_said.isEnabledFor(logging.DEBUG),
        )


def _changed(name: str, call: Any, connection: ConnectionRef, members: Sequence[Member]) -> Sequence[Member]:
    try:
        [*answers] = call(connection=connection, members=tuple(members))
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"The plugin {name} failed in hub_member_payload with {type(error).__name__}: {error}",
            hint="Nothing of this batch was sent. Mend the plugin, or uninstall it; the next run sends what is owed.",
        ) from error
    for answer in answers:
        if not _same_people(answer, members):
            raise PluginError(
                f"The plugin {name} changed who is in a batch in hub_member_payload.",
                hint="It may change the values of members, not their keys, their order, or how many there are.",
            )
        members = answer
    return members


def _same_people(answer: Any, members: Sequence[Member]) -> bool:
    return (
        isinstance(answer, Sequence)
        and len(answer) == len(members)
        and all(
            isinstance(new, Member) and (new.key, new.match) == (old.key, old.match)
            for new, old in zip(answer, members, strict=True)
        )
    )
