"""Single values of a hub's file: read with errors for people, and as the JSON Schema has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from hub.cohorts.model import one_of, shown, whole_number, wrong
from hub.errors import UsageError
from hub.sync.intervals import interval
from hub.sync.mapping import Missing, field_of
from hub.sync.thresholds import LEARNED, OFF, growth_of, removals_of, shrink_of

USUAL = "usual"
"""A sync is late when its schedule says so."""

_INTERVAL = {"type": "string", "pattern": "^[0-9]{1,6} *(s|m|min|h|d)$"}


def group(value: Any) -> Any:
    """Let only a group of names pass."""
    if not isinstance(value, Mapping):
        raise wrong(f"must be a group of names, not {shown(value)}")
    return value


def only_true(value: Any) -> Any:
    """Let only `true` pass."""
    if value is not True:
        raise wrong(f"must be true, or be left out, not {shown(value)}")
    return value


def _length(value: Any) -> timedelta | None:
    if isinstance(value, timedelta):
        return value
    try:
        return interval(value) if isinstance(value, str) else None
    except UsageError:
        return None


def _every(value: Any) -> timedelta:
    found = _length(value)
    if found is None or found < timedelta(minutes=1):
        raise wrong(f"must be an interval of a minute or more, such as 30m, 2h or 1d, not {shown(value)}")
    return found


def _within(value: Any) -> timedelta | str:
    return USUAL if value == USUAL else _every(value)


def _short(value: Any) -> timedelta:
    found = _length(value)
    if found is None:
        raise wrong(f"must be a length of time, such as 30s or 2m, not {shown(value)}")
    return found


def _field(value: Any) -> Any:
    try:
        return field_of(value).stored
    except UsageError as error:
        raise wrong(f"cannot be read: {error.message.rstrip('.')}") from error


def _share(read: Callable[[str], float | None], like: str) -> BeforeValidator:
    def check(value: Any) -> str:
        try:
            if isinstance(value, str):
                read(value)
                return value
        except UsageError:
            pass
        raise wrong(f"must be {like}, not {shown(value)}")

    return BeforeValidator(check)


def _share_schema(*words: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^([0-9]+(\\.[0-9]+)? ?%|{'|'.join(words)})$"})


MappedField = Annotated[
    str | dict[str, str],
    BeforeValidator(_field),
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "properties": {
                        "value": {"type": "string", "minLength": 1},
                        "missing": {"enum": [each.value for each in Missing]},
                    },
                    "required": ["value"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""What goes into a field at the partner (`hub.sync.mapping`): a text, or that with what a missing value does."""

Interval = Annotated[timedelta, BeforeValidator(_every), WithJsonSchema(_INTERVAL)]
"""How often a sync runs."""

Within = Annotated[
    timedelta | Literal["usual"],
    BeforeValidator(_within),
    WithJsonSchema({"anyOf": [_INTERVAL, {"const": USUAL}]}),
]
"""How old a change may become before a sync is late."""

Short = Annotated[timedelta, BeforeValidator(_short), WithJsonSchema(_INTERVAL)]
"""How long something may take."""

Removals = Annotated[str, _share(removals_of, f"a share such as 30%, {LEARNED} or {OFF}"), _share_schema(LEARNED, OFF)]
Shrink = Annotated[str, _share(shrink_of, f"a share such as 50%, or {OFF}"), _share_schema(OFF)]
Growth = Annotated[str, _share(growth_of, f"a share such as 100%, or {OFF}"), _share_schema(OFF)]
"""Thresholds of guards, in the words of `hub sync guard`."""

Least = Annotated[
    int,
    BeforeValidator(lambda value: whole_number(value, least=0)),
    WithJsonSchema({"type": "integer", "minimum": 0}),
]
Changes = Annotated[Literal["hold", "go"], one_of(("hold", "go"))]
Additions = Annotated[Literal["go", "wait"], one_of(("go", "wait"))]
