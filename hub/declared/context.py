"""What every part of planning works on: the hub, the file, and what has been found so far."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.declared.file import Declared, HubFile
from hub.declared.plan import Entry
from hub.errors import HubError, InputError

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.cohorts.definition import Definition

_MOST_PROBLEMS = 5


@dataclass
class Context:
    """A plan in the making. `current` is what the hub holds; `problems` are what keeps the file from being applied.

    Of cohorts, by name: `versions` of those that are to be changed; kind and document of all in the file; `read`, the
    definitions that are new.
    """

    hub: Hub
    declared: Declared
    current: HubFile
    prune: bool
    entries: list[Entry] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    documents: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    read: dict[str, Definition] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    hint: str = ""

    def wanted(self, section: str) -> Mapping[str, Any]:
        """The things that the file says, by name."""
        found: Mapping[str, Any] = getattr(self.declared.spec, section)
        return found

    def there(self, section: str) -> Mapping[str, Any]:
        """The things that the hub has, by name."""
        found: Mapping[str, Any] = getattr(self.current, section)
        return found

    def goes(self, section: str) -> list[str]:
        """The names of things that applying removes: those of a section of the file that the file does not have."""
        if not self.prune or section not in self.declared.spec.spoken_of:
            return []
        return [name for name in self.there(section) if name not in self.wanted(section)]

    def future(self, section: str) -> set[str]:
        """The names of things that are there once the file is applied."""
        return {*self.wanted(section), *self.there(section)} - {*self.goes(section)}

    def refuse(self, path: tuple[str | int, ...], said: str, hint: str = "") -> None:
        """Note what is wrong with a part of the file."""
        problem = self.declared.problem(path, said)
        self.problems.append(problem.message)
        self.hint = self.hint or hint

    def refuse_error(self, path: tuple[str | int, ...], error: HubError) -> None:
        """Note an error about a part of the file."""
        self.refuse(path, error.message[:1].lower() + error.message[1:], error.hint)

    def refuse_unknown(self, path: tuple[str | int, ...], section: str, name: str) -> None:
        """Note that a thing which is named is neither in the file nor stays in the hub."""
        thing = section.removesuffix("s")
        if name in self.goes(section):
            self.refuse(path, f"the {thing} {name!r} is not in the file, and --prune removes it.")
            return
        self.refuse(path, f"there is no {thing} {name!r}{_nearest(name, self.future(section))}")

    def check(self) -> None:
        """Raise what was noted. Raises InputError."""
        if not self.problems:
            return
        lines = [*dict.fromkeys(self.problems)]
        more = [f"... and {len(lines) - _MOST_PROBLEMS} more."] if len(lines) > _MOST_PROBLEMS else []
        raise InputError("\n".join([*lines[:_MOST_PROBLEMS], *more]), hint=f"Nothing was changed. {self.hint}".rstrip())

    def add_rest(self, section: str) -> None:
        """Note what the hub has and the file has not: it goes, or is left."""
        going = self.goes(section)
        for name in self.there(section):
            if name not in self.wanted(section):
                self.entries.append(Entry(section, name, "remove" if name in going else "left"))


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, [*known], n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else ", neither in the file nor in the hub."
