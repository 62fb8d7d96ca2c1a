"""Paths into a document of Mixpanel's, and the refusal of what stands there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.cohorts.model import listed, shown
from hub.errors import DefinitionError

_HINT = "Nothing was saved. What has no counterpart here can be written anew: docs/cohorts.md."


@dataclass(frozen=True)
class Place:
    """A value in the document, and how it is reached: `selector.children[1].operand`."""

    value: Any
    path: str
    source: str

    def at(self, key: str | int) -> Place:
        """The value under a key of a group, or at an index of a list; None where there is nothing."""
        if isinstance(key, int):
            return Place(self.value[key], f"{self.path}[{key}]", self.source)
        path = f"{self.path}.{key}" if self.path else key
        return Place(self.value.get(key), path, self.source)

    def refused(self, problem: str, *, hint: str = "") -> DefinitionError:
        """The error that something about the value is wrong, or has no counterpart."""
        return DefinitionError(f"{self.source}: {self.path or 'the document'}: {problem}.", hint=hint or _HINT)

    def group(self, known: Collection[str]) -> Mapping[str, Any]:
        """The value, which has to be a group of known keys; others are passed over where they say nothing."""
        if not isinstance(self.value, Mapping):
            raise self.refused(f"must be a group of {listed(known)}, not {shown(self.value)}")
        for key, value in self.value.items():
            if key not in known and value not in (None, "", False, [], {}):
                raise self.at(key).refused("has no counterpart here")
        return self.value

    def items(self) -> list[Place]:
        """The elements of the value, which has to be a list with something in it."""
        if not isinstance(self.value, list) or not self.value:
            raise self.refused(f"must be a list with something in it, not {shown(self.value)}")
        return [self.at(index) for index in range(len(self.value))]

    def one_of(self, known: Iterable[str]) -> str:
        """The value, which has to be one of these words."""
        words = [*known]
        if not isinstance(self.value, str) or self.value not in words:
            raise self.refused(
                f"must be one of {listed(words)}, not {shown(self.value)}: nothing else has a counterpart"
            )
        return self.value

    def text(self) -> str:
        """The value, which has to be a text with something in it."""
        if not isinstance(self.value, str) or not self.value:
            raise self.refused(f"must be text, not {shown(self.value)}")
        return self.value
