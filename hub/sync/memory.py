"""How much memory the engine gets for a sync's own work: little first, for it spills; then what the settings say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hub.errors import OutOfMemory

if TYPE_CHECKING:
    from hub.workspace import Workspace

T = TypeVar("T")

LITTLE = "128MiB"
"""A million members are evaluated and compared within it; five million take it and the disk."""
SORTING = "96MiB"
"""What one thread gets that sorts everybody on their way into a file, which takes as much again beside it."""

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def with_little(workspace: Workspace, work: Callable[[Workspace], T]) -> T:
    """What `work` returns of a workspace whose engine has LITTLE memory, or less where the settings say so.

    Some questions cannot do with so little, whatever is on the disk: they are asked again with all that the settings
    allow, so `work` must be harmless when repeated. Raises what it raises.
    """
    settings = workspace.settings
    if bytes_of(settings.memory_limit) <= bytes_of(LITTLE):
        return work(workspace)
    try:
        return work(replace(workspace, settings=settings.model_copy(update={"memory_limit": LITTLE})))
    except OutOfMemory:
        return work(workspace)


def bytes_of(size: str) -> float:
    """How many bytes `2GiB`, `1.5 GB` or `500MB` are; 0 for what is no size: the engine refuses that itself."""
    found = _SIZE.fullmatch(size)
    if not found:
        return 0.0
    number, letter, binary = found.groups()
    unit: int = 1024 if binary else 1000
    return float(number) * float(unit ** " kmgt".index(letter.lower() or " "))
