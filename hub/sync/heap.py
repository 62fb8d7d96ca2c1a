"""Fewer looks of the garbage collector at what has been there for long."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_within = 0


@contextmanager
def settled_heap() -> Iterator[None]:
    """What the process holds by now is not gone through again while the block runs.

    A delivery makes and drops some thousand objects a batch, which makes Python go through all others time and again:
    a million of them, which the libraries in use have made for good. That took as long as the delivery itself.
    """
    global _within  # noqa: PLW0603 - the collector is of the process, and so is the count of those who hold it back
    with _lock:
        if not _within:
            gc.freeze()
        _within += 1
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if not _within:
                gc.unfreeze()
