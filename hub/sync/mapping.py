"""What a sync sends along: for each field at the partner a profile property, and what is made of its values.

Everybody writes it alike (command line, terminal UI, hub files, control plane): `$first_name|trim|default:friend`, the
property and its steps (`hub.sync.transforms`) with bars between them. What a missing value does stands beside it:
`{"value": "plan|lower", "missing": "clear"}`; a text alone means that it does nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hub.connectors.contract import Ability, Connector
from hub.errors import UsageError
from hub.sync.transforms import Step, step_of

_PART = re.compile(r'\s*(?:[a-z]+:)?"(?:[^"\\]|\\.)*"[^|]*|[^|]*')
_EXAMPLE = "For example FNAME='$first_name|trim|default:friend'."


class Missing(StrEnum):
    """What becomes of the field at the partner when a member has no value for it."""

    SKIP = "skip"
    """Nothing: what is there stays. The default, which never erases."""
    CLEAR = "clear"
    """It is emptied. Only of connectors that can."""
    SET_IF_EMPTY = "set-if-empty"
    """Nothing; and what is there is not overwritten: the first value that the hub writes stays, for as long as the
    member is in the audience."""


@dataclass(frozen=True)
class Field:
    """One field at the partner: the profile property `source`, what is made of it, what a missing value does."""

    source: str
    steps: tuple[Step, ...] = ()
    missing: Missing = Missing.SKIP

    @property
    def plain(self) -> bool:
        """Whether values go as they are."""
        return not self.steps and self.missing is not Missing.CLEAR

    @property
    def text(self) -> str:
        """The property and its steps, as `field_of` reads them."""
        return "|".join([_quoted(self.source), *map(str, self.steps)])

    @property
    def stored(self) -> str | dict[str, str]:
        """As it is kept and shown to machines."""
        return self.text if self.missing is Missing.SKIP else {"value": self.text, "missing": self.missing.value}

    def __str__(self) -> str:
        return self.text if self.missing is Missing.SKIP else f"{self.text} ({_SAID[self.missing]})"


_SAID = {Missing.CLEAR: "a missing value clears it", Missing.SET_IF_EMPTY: "set only if it is empty"}

Fields = Mapping[str, Field]
"""Target name at the partner -> field."""


def field_of(written: Any) -> Field:
    """A field, as people write it or as it is kept. Raises UsageError, saying what is wrong."""
    if isinstance(written, Field):
        return written
    if isinstance(written, str):
        return _read(written)
    if (
        isinstance(written, Mapping)
        and written.keys() <= {"value", "missing"}
        and isinstance(written.get("value"), str)
    ):
        return with_missing(_read(written["value"]), written.get("missing", Missing.SKIP))
    raise UsageError(
        "A field is a text, or has a value and what a missing one does.",
        hint='Write "$first_name|trim", or {value: "plan|lower", missing: clear}.',
    )


def fields_of(mapping: Mapping[str, Any]) -> dict[str, Field]:
    """A whole mapping, as people write it or as it is kept. Raises UsageError, naming the target."""
    found = {}
    for target, written in mapping.items():
        try:
            found[target] = field_of(written)
        except UsageError as error:
            raise UsageError(f"{target}: {error.message}", hint=error.hint) from error
    return found


def properties(fields: Fields) -> dict[str, str]:
    """The profile property of each target."""
    return {target: field.source for target, field in fields.items()}


def written_once(fields: Fields) -> list[str]:
    """The targets of which the first value that was written stays."""
    return [target for target, field in fields.items() if field.missing is Missing.SET_IF_EMPTY]


def pairs_of(lines: Sequence[str], *, missing: Sequence[str] = (), of: Fields | None = None) -> dict[str, Field]:
    """A mapping from `TARGET=FIELD` and `TARGET=skip|clear|set-if-empty`, for what stands there or in `of`.

    Returns the targets that are spoken of. Raises UsageError, naming the one that cannot be read.
    """
    found: dict[str, Field] = {}
    for line in lines:
        target, written = _pair(line, f"{line} is not TARGET=PROPERTY.")
        if target in found:
            raise UsageError(f"{target} stands twice.", hint="A field there takes one property.")
        found |= fields_of({target: written})
    for line in missing:
        target, how = _pair(line, f"{line} is not TARGET=clear, or another of {', '.join(Missing)}.")
        known = found.get(target) or (of or {}).get(target)
        if known is None:
            listed = ", ".join({**(of or {}), **found}) or "none"
            raise UsageError(f"Nothing is sent as {target}.", hint=f"What is: {listed}.")
        found[target] = with_missing(known, how)
    return found


def with_missing(field: Field, how: Any) -> Field:
    """A field of which a missing value does so. Raises UsageError for a word that says nothing."""
    if how not in [*Missing]:
        raise UsageError(f"A missing value cannot {how}.", hint=f"It can {', '.join(Missing)}.")
    return Field(field.source, field.steps, Missing(how))


def checked(mapping: Mapping[str, Any], connector: type[Connector]) -> dict[str, Any]:
    """A mapping as it is kept. Raises UsageError when it cannot be read, or the connector cannot do what it says."""
    fields = fields_of(mapping)
    refuse_clearing(fields, connector)
    return {target: field.stored for target, field in fields.items()}


def refuse_clearing(fields: Fields, connector: type[Connector]) -> None:
    """Raises UsageError when a missing value is to clear a field at a partner whose connector cannot."""
    clearing = [target for target, field in fields.items() if field.missing is Missing.CLEAR]
    if clearing and Ability.CLEAR not in connector.abilities:
        raise UsageError(
            f"{connector.label} cannot empty a field, so a missing value cannot clear {clearing[0]}.",
            hint="Let it skip, or give a value with default:VALUE.",
        )


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What another mapping does otherwise, target by target, in words."""
    old, new = fields_of(before), fields_of(after)
    for target in sorted(old.keys() | new.keys()):
        if target not in old:
            yield f"{target} is {new[target]}, and was not sent before"
        elif target not in new:
            yield f"{target} is not sent any more"
        elif old[target] != new[target]:
            yield f"{target} is {new[target]}, where it was {old[target]}"


def _pair(line: str, wrong: str) -> tuple[str, str]:
    target, equals, written = (part.strip() for part in line.partition("="))
    if not equals or not target or not written:
        raise UsageError(wrong, hint=_EXAMPLE)
    return target, written


def _read(text: str) -> Field:
    name, *steps = _split(text)
    if not name:
        raise UsageError(f"{text!r} names no property.", hint=_EXAMPLE)
    if name[0] == '"':
        name = _unquoted(name)
    return Field(name, tuple(step_of(step) for step in steps))


def _split(text: str) -> list[str]:
    """The parts between bars; a bar in a JSON string, which a part or its argument may be, is none."""
    parts, place = [], 0
    while True:
        part = _PART.match(text, place)
        assert part is not None, "it matches nothing, too"
        parts.append(part[0].strip())
        if part.end() == len(text):
            return parts
        place = part.end() + 1


def _unquoted(text: str) -> str:
    try:
        name = json.loads(text)
    except ValueError:
        name = None
    if not isinstance(name, str) or not name:
        raise UsageError(f"{text} is no name of a property.", hint='One in quotation marks is a JSON string: "a|b".')
    return name


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False) if "|" in name or name[:1] == '"' or name != name.strip() else name
