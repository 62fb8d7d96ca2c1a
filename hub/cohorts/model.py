"""The base of everything that a definition is made of: frozen, closed to unknown keys, with errors for people.

An error names the key that it is about in its context (`key`), relative to where it was raised, so that
`hub.cohorts.reading` can print the whole path.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
"""Days outside of these are taken for slips."""


class Model(BaseModel):
    """A part of a definition."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        known = [info.alias or name for name, info in cls.model_fields.items()]
        if not isinstance(data, Mapping):
            raise wrong(f"must be a group of {listed(known)}, not {shown(data)}")
        for key in data:
            if key not in known:
                raise wrong(f"is not known here{did_you_mean(key, known)}", key=key)
        return data


def wrong(problem: str, *, key: str | int | None = None) -> PydanticCustomError:
    """The refusal of the value that is being validated, or of what stands under its `key`."""
    # the problem may hold braces, which the template language of the error would read
    return PydanticCustomError("definition", "{problem}", {"problem": problem, "key": key})


def listed(words: Iterable[str]) -> str:
    """Words for people: `did, did_not, all`."""
    return ", ".join(words)


def shown(value: object) -> str:
    """A value in an error message: what it is, and a short piece of it."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a group"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = f"{value!r}" if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 60 else f"{text[:57]}..."


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`: did you mean count?` when one of `known` is near, else what there is."""
    words = list(known)
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else f": there can be {listed(words)}"


def kind_of(data: Any, kinds: Iterable[str], *, what: str) -> str:
    """Which of the `kinds` of a union a group is: the one whose key it has. Refuses none and several."""
    known = list(kinds)
    if not isinstance(data, Mapping):
        raise wrong(f"must be {what} (one of {listed(known)}), not {shown(data)}")
    found = [kind for kind in known if kind in data]
    if len(found) > 1:
        raise wrong(f"has both {' and '.join(found)}, and one {what.rsplit(maxsplit=1)[-1]} can have only one of them")
    if found:
        return found[0]
    slips = [key for key in data if difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)]
    if slips or len(data) == 1:
        slip = slips[0] if slips else next(iter(data))
        raise wrong(f"is not known here{did_you_mean(slip, known)}", key=slip)
    raise wrong(f"must have one of {listed(known)}")


def tag(kind: str) -> str:
    """The name of a union's member in Pydantic's paths. No key of a definition looks like it."""
    return f"<{kind}>"


def one_of(words: tuple[str, ...], *, plural: bool = False, synonyms: tuple[str, ...] = ()) -> BeforeValidator:
    """A validator that lets only these words pass; with `plural`, also with an s at their end.

    `synonyms` are words that something else translates beforehand: they are named to people, and to the JSON Schema.
    """

    def check(value: Any) -> Any:
        if isinstance(value, str):
            single = value.removesuffix("s") if plural else value
            if single in words:
                return single
            near = difflib.get_close_matches(value, words, n=1, cutoff=0.6)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise wrong(f"must be one of {listed(words)}, not {value!r}{meant}")
        raise wrong(f"must be one of {listed(words)}, not {shown(value)}")

    more = tuple(f"{word}s" for word in words) if plural else synonyms
    return BeforeValidator(check, json_schema_input_type=Literal[(*words, *more)])


def whole_number(value: Any, *, least: int) -> int:
    """`value`, when it is a whole number of at least `least`. Refuses yes and no, fractions and text."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(f"must be a whole number, not {shown(value)}")
    if value < least:
        raise wrong(f"must be at least {least}, not {value}")
    if value > 2**53:
        raise wrong("is too large")
    return value


def sound_text(value: str, *, key: str | int | None = None) -> str:
    """`value`, unless it holds half of a surrogate pair or a NUL character, which no database takes."""
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise wrong("is not valid text (half of a surrogate pair)", key=key)
    if "\0" in value:
        raise wrong("must not hold a NUL character", key=key)
    return value


def _day(value: Any) -> date:
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise wrong(f"must be a day such as 2026-11-23, not {shown(value)}")
    try:
        day = date.fromisoformat(value) if len(value) == len("2026-11-23") else None
    except ValueError:
        day = None
    if day is None:
        raise wrong(f"must be a day such as 2026-11-23, not {shown(value)}")
    if not FIRST_DAY <= day <= LAST_DAY:
        raise wrong(f"must lie between {FIRST_DAY.year} and {LAST_DAY.year}, not {value}")
    return day


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong(f"must be text, not {shown(value)}: put it in quotes if it is a name")
    return sound_text(value)


Day = Annotated[date, BeforeValidator(_day)]
"""A day of the project's zone."""

Words = Annotated[str, BeforeValidator(_text)]
"""Any text."""

Name = Annotated[str, BeforeValidator(_text), StringConstraints(min_length=1, max_length=255)]
"""The name of an event or a property."""
