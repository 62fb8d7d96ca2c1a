"""What is due: syncs and pulls, worked through in one process. `run-due` does it once, a daemon again and again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hub.clock import now
from hub.errors import Busy, HubError, Interrupted
from hub.sync.models import Run
from hub.sync.states import RunState

if TYPE_CHECKING:
    from hub.app import Hub

DONE, FAILED, REJECTED = 0, 1, 4


@dataclass
class Due:
    """What one round did: runs, new message events by connection, and problems by sync or connection."""

    runs: list[Run] = field(default_factory=list)
    pulled: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The worst of the round: 1 something failed, 4 somebody was rejected, 0 all is well."""
        if self.problems or any(run.state is RunState.FAILED for run in self.runs):
            return FAILED
        return REJECTED if any(run.rejected for run in self.runs) else DONE


async def run_due(hub: Hub, *, say: Callable[[str], None], stop: threading.Event) -> Due:
    """Run every sync that is due, then pull the message events that are due; one after another.

    One that fails does not keep the others from running. `say` is told each step. An audience that somebody else
    works on is left to him. What has arrived by now is moved into the lake first, and the lake is maintained at the
    end. Raises Interrupted when `stop` was set, after what is under way was saved.
    """
    if hub.workspace.drain:
        await asyncio.to_thread(hub.workspace.drain)
    due = Due()
    for name in hub.syncs.due(now()):
        if name not in hub.syncs.due(now()):
            continue  # stopped, or run by somebody else, while the others ran
        say(f"sync {name}")
        try:
            due.runs.append(await hub.syncs.run(name, trigger="schedule", stop=stop))
        except Interrupted:
            raise
        except Busy as error:
            say(f"{name}: {error.message}")
        except HubError as error:
            due.problems[name] = f"{error.message} {error.hint}".strip()
    for name in hub.inbound.due(now()):
        say(f"message events of {name}")
        try:
            due.pulled[name] = (await hub.inbound.pull(name, stop=stop)).new
        except Interrupted:
            raise
        except Busy as error:
            say(f"{name}: {error.message}")
        except HubError as error:
            due.problems[name] = f"{error.message} {error.hint}".strip()
    if not stop.is_set():
        await _maintain(hub, due, say=say, stop=stop)
    return due


async def _maintain(hub: Hub, due: Due, *, say: Callable[[str], None], stop: threading.Event) -> None:
    try:
        for done in await asyncio.to_thread(hub.maintain, stop):
            say(done)
    except HubError as error:
        due.problems["the lake"] = f"{error.message} {error.hint}".strip()
