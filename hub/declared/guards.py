"""The thresholds of a sync's guards in a file: in the words of `hub sync guard`, both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import StrictBool

from hub.cohorts.model import Model
from hub.declared.values import Additions, Changes, Growth, Least, Removals, Shrink
from hub.sync.guards import Thresholds
from hub.sync.thresholds import LEARNED, OFF, growth_of, removals_of, shrink_of


class GuardsSpec(Model):
    """What a sync's guards let pass. What is left out follows the hub's own thresholds."""

    on: StrictBool | None = None
    removals: Removals | None = None
    shrink: Shrink | None = None
    growth: Growth | None = None
    least: Least | None = None
    changes: Changes | None = None
    additions: Additions | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What it says, as `hub.sync.guards.Thresholds` has it."""
        said = self.model_dump(exclude_none=True)
        return {name: _READ[name](value) if name in _READ else value for name, value in said.items()}


_READ: Mapping[str, Callable[[str], Any]] = {
    "removals": removals_of,
    "shrink": shrink_of,
    "growth": growth_of,
    "changes": "hold".__eq__,
    "additions": "go".__eq__,
}


def guards_spec(thresholds: Thresholds) -> GuardsSpec | None:
    """What a person has set of a sync's guards, as a file says it; None: nothing."""
    said = {name: _words(name, getattr(thresholds, name)) for name in Thresholds.model_fields}
    found = {name: words for name, words in said.items() if name in thresholds.model_fields_set}
    return GuardsSpec.model_validate(found) if found else None


def guards_fields(spec: GuardsSpec | None) -> dict[str, Any]:
    """Each threshold as a field of a plan, in one way of writing it: `guards.removals`, `20%`."""
    if spec is None:
        return {}
    same = guards_spec(Thresholds.model_validate(spec.values))
    return {f"guards.{name}": value for name, value in same.model_dump(exclude_none=True).items()} if same else {}


def _words(name: str, value: Any) -> Any:
    match name:
        case "removals":
            return LEARNED if value is None else _share(value)
        case "shrink":
            return _share(value)
        case "growth":
            return OFF if value is None else f"{value * 100:.10g}%"
        case "changes":
            return "hold" if value else "go"
        case "additions":
            return "go" if value else "wait"
    return value


def _share(value: float) -> str:
    return OFF if value >= 1 else f"{value * 100:.10g}%"
