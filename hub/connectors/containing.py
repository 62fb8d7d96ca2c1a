"""Calls of a connector's own code: what goes wrong in it is told as the plugin's fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hub.connectors.contract import Connector
from hub.errors import HubError, PluginError

T = TypeVar("T")


async def contained(connector: Connector, call: Awaitable[T]) -> T:
    """Await a connector's call; what is not one of our errors is told as the plugin's fault.

    That goes for what would end a process, too (SystemExit), unless the work itself is being ended.
    """
    try:
        return await call
    except HubError:
        raise
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError | KeyboardInterrupt) and _is_being_cancelled():
            raise
        if isinstance(error, GeneratorExit):  # the loop lets go of a call that nobody waits for any more
            raise
        raise PluginError(
            f"The connector {connector.name} failed with {type(error).__name__}: {error}",
            hint="This is a fault of the plugin; tell its author.",
        ) from error


@contextmanager
def containing(connector: Connector | type[Connector]) -> Iterator[None]:
    """The same for what is called without awaiting: its making, and what it answered with."""
    try:
        yield
    except HubError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"The connector {connector.name} failed with {type(error).__name__}: {error}",
            hint="This is a fault of the plugin; tell its author.",
        ) from error


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
