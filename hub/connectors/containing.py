"""Calls of a connector's own code: what goes wrong in it is told as the plugin's fault, and none lasts for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from hub.connectors.contract import Connector
from hub.connectors.pacing import within
from hub.errors import HubError, PartnerUnavailable, PluginError

T = TypeVar("T")

GRACE_SECONDS = 30.0
"""On top of the connector's own time-out, before a call counts as hanging."""
LET_GO_SECONDS = 5.0
"""So long a call that was cancelled may take to end. Then it is given up on."""


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


async def in_time(connector: Connector, call: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Make a connector's call and await it as `contained` does, for its time-out and GRACE_SECONDS at most.

    A call that hangs is cancelled; one that will not be cancelled is given up on: nobody waits for it any more, and the
    recorder of its attempt lets no further request of it leave. Raises PartnerUnavailable.
    """
    seconds = connector.limits.timeout.total_seconds() + GRACE_SECONDS
    try:
        async with within(seconds):
            calling = asyncio.create_task(contained(connector, _made(call, *arguments)))
            try:
                return await asyncio.shield(calling)
            except asyncio.CancelledError:
                await _let_go(calling)
                raise
    except TimeoutError as error:
        raise PartnerUnavailable(
            f"{connector.label} gave no answer within {seconds:.0f} s.", answer_lost=True
        ) from error


async def _made(call: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    return await call(*arguments)


async def _let_go(calling: asyncio.Task[Any]) -> None:
    calling.cancel()
    await asyncio.wait([calling], timeout=LET_GO_SECONDS)
    if not calling.done():
        calling.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody asks for it any more
        asyncio._unregister_task(calling)  # the end of the event loop does not wait for it
        calling._log_destroy_pending = False  # type: ignore[attr-defined]


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
