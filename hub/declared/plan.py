"""What applying a file would do: field by field, with a digest that binds what was seen to what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

import orjson

Action = Literal["make", "change", "remove", "unchanged", "left"]
DOING: tuple[Action, ...] = ("make", "change", "remove")


@dataclass(frozen=True)
class FieldChange:
    """One field of a thing: JSON values, or for a definition its lines. A secret is never among them."""

    name: str
    before: Any
    after: Any

    def figures(self) -> dict[str, Any]:
        """For machines."""
        return {"field": self.name, "from": self.before, "to": self.after}


@dataclass(frozen=True)
class Entry:
    """One thing of the file or of the hub, and what becomes of it.

    `left` is in the hub alone and stays; `notes` are sentences about what else that does.
    """

    section: str
    name: str
    action: Action
    fields: tuple[FieldChange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def thing(self) -> str:
        """What it is, for people: `cohort`."""
        return self.section.removesuffix("s")

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of an entry in `hub apply --json`."""
        return {
            "section": self.section,
            "name": self.name,
            "action": self.action,
            "fields": [each.figures() for each in self.fields],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Plan:
    """What applying a file does, in the order in which it is done. `needs` are variables of the environment that are
    not set and without which it cannot be applied; `warnings` are sentences."""

    entries: tuple[Entry, ...]
    digest: str
    prune: bool
    needs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    """The versions of the cohorts that are to be changed."""
    documents: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """Kind and document of the cohorts of the file."""

    @property
    def to_do(self) -> tuple[Entry, ...]:
        """The entries that change something."""
        return tuple(entry for entry in self.entries if entry.action in DOING)

    def of(self, section: str, *actions: Action) -> tuple[Entry, ...]:
        """The entries of a section with one of these actions."""
        return tuple(entry for entry in self.entries if entry.section == section and entry.action in actions)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub apply --json`, but for `applied`."""
        actions = (*DOING, "unchanged", "left")
        return {
            "digest": self.digest,
            "prune": self.prune,
            **{action: sum(entry.action == action for entry in self.entries) for action in actions},
            "entries": [entry.figures() for entry in self.entries],
            "needs": list(self.needs),
            "warnings": list(self.warnings),
        }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of `after`, then those that went."""
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        FieldChange(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )


def digest_of(*parts: Any) -> str:
    """What tells one plan from another: of JSON values."""
    return sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)).hexdigest()


def listed(entries: Sequence[Entry]) -> str:
    """Things for people: `cohort a, cohort b`."""
    return ", ".join(f"{entry.thing} {entry.name}" for entry in entries)
