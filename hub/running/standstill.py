"""An event loop that stands still: a plugin that blocks it keeps everything beside it from being done.

Nobody can take the thread out of the plugin's hands. So a process whose loop stands still for too long says where it
stands, and ends: it may be killed anywhere, and whoever starts it again, or another one, goes on with what it had.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

STANDS_STILL = 300.0
"""So many seconds an event loop may stand still."""
EXIT_CODE = 1

_LOOKS = 60  # in that time; a process that is itself made to stand still looks no more than its loop moves


async def guarded_from_standstill(
    work: Coroutine[Any, Any, T], *, say: Callable[[str], None], seconds: float = STANDS_STILL
) -> T:
    """Await `work`. Should the event loop stand still for so many seconds meanwhile, `say` is told where, and the
    process ends at once, with exit code 1."""
    still, ended, loop = _Still(), threading.Event(), asyncio.get_running_loop()
    thread = threading.get_ident()

    def look() -> None:
        while not ended.wait(seconds / _LOOKS):
            if still.looked() > _LOOKS:
                say(_words(thread, seconds))
                sys.stderr.flush()
                os._exit(EXIT_CODE)
            with suppress(RuntimeError):  # it has ended in this very moment
                loop.call_soon_threadsafe(still.moved)

    threading.Thread(target=look, name="standstill", daemon=True).start()
    try:
        return await work
    finally:
        ended.set()


class _Still:
    """How often was looked since the loop moved."""

    def __init__(self) -> None:
        self._looks = 0

    def looked(self) -> int:
        self._looks += 1
        return self._looks

    def moved(self) -> None:
        self._looks = 0


def _words(thread: int, seconds: float) -> str:
    frame = sys._current_frames().get(thread)
    where = traceback.extract_stack(frame)[-1] if frame else None
    stands = f" in {where.filename}, line {where.lineno} ({where.name})" if where else ""
    return (
        f"Everything has stood still for {seconds:.0f} s{stands}: a plugin that waits there must do so asynchronously. "
        "This process ends; what it had in hand is gone on with."
    )
