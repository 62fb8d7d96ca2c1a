"""What the parser makes: values as a definition's document has them, each with its place in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]

DEEPEST = 50
"""How deep a definition can be nested, as in a file (`hub.cohorts.documents`)."""


class Misplaced(Exception):
    """Something in the text that cannot be, at an offset; `reading` makes an error for people of it."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Part:
    """A value between two offsets of the text: a scalar, a list of Parts, or a group of them by key.

    `conjunction` is true for tests that the text joins with `and`, in brackets or not.
    """

    value: Any
    start: int
    end: int
    depth: int = 0
    conjunction: bool = False


def listed(parts: Sequence[Part]) -> Part:
    """A list of Parts."""
    return _holding([*parts], parts)


def grouped(**parts: Part | None) -> Part:
    """A group of Parts by key, without those that are None. A key's last underscore is left out (`from_`, `not_`)."""
    there = {key.removesuffix("_"): part for key, part in parts.items() if part is not None}
    return _holding(there, [*there.values()])


def plain(part: Part) -> tuple[Any, dict[Path, int]]:
    """The value without places, and the places beside it: offsets by path."""
    places: dict[Path, int] = {}
    return _plain(part, (), places), places


def _holding(value: Any, parts: Sequence[Part]) -> Part:
    start, end = min(part.start for part in parts), max(part.end for part in parts)
    depth = 1 + max(part.depth for part in parts)
    if depth > DEEPEST:
        raise Misplaced(f"is nested more than {DEEPEST} deep", start)
    return Part(value, start, end, depth)


def _plain(part: Part, path: Path, places: dict[Path, int]) -> Any:
    places[path] = part.start
    if isinstance(part.value, Mapping):
        return {key: _plain(inner, (*path, key), places) for key, inner in part.value.items()}
    if isinstance(part.value, list):
        return [_plain(inner, (*path, index), places) for index, inner in enumerate(part.value)]
    return part.value
