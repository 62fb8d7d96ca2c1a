"""The steps that a value takes on its way to a partner: their names, their arguments, and what they make of it.

A step is an expression over a column of typed text (`hub.cohorts.mapped`), so that whole cohorts pass through an engine
and nobody passes through Python. A value that is of no use to a step becomes null, and the step says why.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.errors import UsageError
from hub.sync.dates import date_format

if TYPE_CHECKING:
    import ibis

_HASHES = ("sha256", "md5")


@dataclass(frozen=True)
class Step:
    """One step: `name`, and `argument` as it was written (empty: none)."""

    name: str
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.argument}" if self.argument else self.name

    @property
    def refusal(self) -> str:
        """What a value is that is of no use to it."""
        return _REFUSALS[self.name]

    @property
    def fills(self) -> bool:
        """Whether it gives a value to who has none."""
        return self.name == "default"

    def made(self, work: ibis.Table, value: str, zone: ZoneInfo, into: str) -> ibis.Table:
        """`work` with the column `into`: what it makes of the column `value` of typed text; null where that is null, or
        of no use to it. There may be other columns beside.

        `zone` is the project's, for dates whose step names none.
        """
        if self.name == "date":
            return date_format(self.argument).made(work, work[value], zone, into)
        return work.mutate(**{into: _STEPS[self.name](work[value], self.argument)})


def step_of(text: str) -> Step:
    """A step, as people write it: `trim`, `default:friend`, `date:%d.%m.%Y@Europe/Oslo`. Raises UsageError."""
    name, _, argument = (part.strip() for part in text.partition(":"))
    if name not in _REFUSALS:
        near = difflib.get_close_matches(name, _REFUSALS, n=1)
        known = f"There are {', '.join(_REFUSALS)}."
        raise UsageError(
            f"There is no step {name!r}." if name else "There is nothing between two bars, or after the last.",
            hint=f"Did you mean {near[0]}? {known}" if near else known,
        )
    if name == "default":
        if not argument:
            raise UsageError("default needs a value.", hint="Such as default:friend, default:0 or default:true.")
        _typed(argument)
    elif name == "date":
        date_format(argument)
    elif name == "hash":
        if argument and argument not in _HASHES:
            raise UsageError(f"There is no hash {argument!r}.", hint=f"There are {', '.join(_HASHES)}.")
    elif argument:
        raise UsageError(f"{name} takes no argument.", hint=f"Write {name} alone.")
    return Step(name, "" if (name, argument) == ("hash", "sha256") else argument)


def _typed(argument: str) -> str:
    """The typed text of a default value: a number, true, false, or a text, which may be a JSON string."""
    try:
        value = json.loads(argument)
    except ValueError:
        if argument[0] == '"':
            raise UsageError(
                f"default:{argument} has a quotation mark too few or too many.", hint='A text in marks is JSON: "a|b".'
            ) from None
        return f"s:{argument}"
    if isinstance(value, bool):
        return f"b:{argument}"
    if isinstance(value, int | float):
        return f"n:{float(value)!r}"
    return f"s:{value}" if isinstance(value, str) else f"s:{argument}"


def _text(value: ibis.Value) -> ibis.Value:
    """The text of a typed text, null for every other type."""
    return value.startswith("s:").ifelse(value.substr(2), None)


def _text_or_digits(value: ibis.Value) -> ibis.Value:
    """As `_text`; a whole number is its digits."""
    import ibis

    number = value.startswith("n:").ifelse(value.substr(2), None).try_cast("float64")
    whole = (number == number.round()) & (number.abs() < 2**53)
    return ibis.coalesce(_text(value), whole.ifelse(number.round().cast("int64").cast("string"), None))


def _of_text(made: Callable[[ibis.Value], ibis.Value]) -> Callable[[ibis.Value, str], ibis.Value]:
    return lambda value, _: _typed_text(made(_text(value)))


def _typed_text(text: ibis.Value) -> ibis.Value:
    import ibis

    return ibis.literal("s:").concat(text)


def _as_key(how: str) -> Callable[[ibis.Value], ibis.Value]:
    """A text as it is compared where it is a match key, by the same rules; null when it cannot be one."""

    def made(text: ibis.Value) -> ibis.Value:
        from hub.cohorts.keys import SHAPES
        from hub.people.views import normalised

        value = normalised(text, how)
        return value.re_search(SHAPES[how]).ifelse(value, None)

    return made


def _digits(value: ibis.Value, _: str) -> ibis.Value:
    return _typed_text(_text_or_digits(value).re_replace("[^0-9]+", "").nullif(""))


def _hash(value: ibis.Value, argument: str) -> ibis.Value:
    how = argument or "sha256"
    text = _text_or_digits(value)
    # what partners were given once is a hash already: a hash of it is nobody's
    digits = 64 if how == "sha256" else 32
    is_one = text.re_search(f"^[0-9a-fA-F]{{{digits}}}$")
    return _typed_text(is_one.ifelse(text.lower(), text.hexdigest(how)))


def _default(value: ibis.Value, argument: str) -> ibis.Value:
    import ibis

    return ibis.coalesce(value.nullif("s:"), _typed(argument))


_STEPS: dict[str, Callable[[ibis.Value, str], ibis.Value]] = {
    "lower": _of_text(lambda text: text.lower()),
    "upper": _of_text(lambda text: text.upper()),
    "trim": _of_text(lambda text: text.strip()),
    "email": _of_text(_as_key("email")),
    "phone": _of_text(_as_key("phone")),
    "digits": _digits,
    "hash": _hash,
    "default": _default,
}
_REFUSALS = {
    "lower": "is no text",
    "upper": "is no text",
    "trim": "is no text",
    "email": "is no e-mail address",
    "phone": "is no phone number with its country's code",
    "digits": "has no digits",
    "hash": "is no text or whole number",
    "date": "is no date",
    "default": "",
}
