"""The windows of the text language, as data and as short texts (design: "Windows").

Nothing here knows the time: `hub.cohorts.edges` turns a window into instants.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from hub.cohorts.model import Day, Model, kind_of, one_of, shown, tag, whole_number, wrong

Unit = Literal["hour", "day", "week", "month"]
UNITS: tuple[str, ...] = ("hour", "day", "week", "month")
_CENTURY = {"hour": 876_600, "day": 36_525, "week": 5_218, "month": 1_200}
"""A hundred years in each unit. Longer windows are taken for slips."""


def _span(value: Any) -> int:
    return whole_number(value, least=1)


def _span_end(value: Any) -> int:
    return whole_number(value, least=0)


class Span(Model):
    """A length of time: so many units. A month is a calendar month, a day 24 hours, a week 7 days."""

    n: Annotated[int, BeforeValidator(_span), Field(json_schema_extra={"minimum": 1})]
    unit: Annotated[Unit, one_of(UNITS, plural=True)]

    @model_validator(mode="after")
    def _not_absurd(self) -> Span:
        return _below_a_century(self, self.n)


class Spans(Model):
    """Two lengths of time in one unit, the farther one first."""

    n: Annotated[int, BeforeValidator(_span), Field(json_schema_extra={"minimum": 1})]
    m: Annotated[int, BeforeValidator(_span_end), Field(json_schema_extra={"minimum": 0})]
    unit: Annotated[Unit, one_of(UNITS, plural=True)]

    @model_validator(mode="after")
    def _in_order(self) -> Spans:
        if self.m > self.n:
            raise wrong(f"must not be more than n ({self.n}): the farther one comes first", key="m")
        return _below_a_century(self, self.n)


S = TypeVar("S", Span, Spans)

_N_UNIT = r"(?P<n>\d{1,9}) (?P<unit>[a-z]+)"


def _length_from_text(value: Any) -> Any:
    """The group of keys that a text such as `7 days` stands for; what is no text is left as it is."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(_N_UNIT, " ".join(value.split()), re.ASCII)
    if match is None:
        raise wrong(f'must be a length of time such as "7 days", not {shown(value)}')
    return {"n": int(match["n"]), "unit": match["unit"]}


Length = Annotated[Span, BeforeValidator(_length_from_text, json_schema_input_type=Span | str)]
"""A length of time. A text such as `7 days` is read too."""


class Last(Model):
    """`in last N UNIT`: now - N units <= time <= now."""

    last: Span


class MoreThanAgo(Model):
    """`more than N UNIT ago`: time < now - N."""

    more_than_ago: Span


class BetweenAgo(Model):
    """`between N and M UNIT ago`: now - N <= time < now - M."""

    between_ago: Spans


class Between(Model):
    """`between DATE and DATE`: both days included."""

    from_: Day = Field(alias="from")
    to: Day

    @model_validator(mode="after")
    def _in_order(self) -> Between:
        if self.to < self.from_:
            raise wrong(f"must not be before from ({self.from_})", key="to")
        return self


class Since(Model):
    """`since DATE`: that day included, until now."""

    since: Day


class Before(Model):
    """`before DATE`: that day excluded."""

    before: Day


class Ever(Model):
    """`ever`: until now."""

    ever: Literal[True] = True


_KINDS: dict[str, type[Model]] = {
    "last": Last,
    "more_than_ago": MoreThanAgo,
    "between_ago": BetweenAgo,
    "from": Between,
    "to": Between,
    "since": Since,
    "before": Before,
    "ever": Ever,
}
_NAMES = tuple(kind for kind in _KINDS if kind != "to")

_TEXTS: tuple[tuple[str, str], ...] = (
    (rf"(?:(?:in )?(?:the )?last )?{_N_UNIT}", "last"),
    (rf"more than {_N_UNIT} ago", "more_than_ago"),
    (r"between (?P<n>\d{1,9}) and (?P<m>\d{1,9}) (?P<unit>[a-z]+) ago", "between_ago"),
    (r"between (?P<from>\S+) and (?P<to>\S+)", "from"),
    (r"since (?P<since>\S+)", "since"),
    (r"before (?P<before>\S+)", "before"),
    (r"ever", "ever"),
)


def _from_text(value: Any) -> Any:
    """The group of keys that a short text stands for; what is no text is left as it is."""
    if isinstance(value, str):
        words = " ".join(value.split())
        for pattern, kind in _TEXTS:
            if match := re.fullmatch(pattern, words, re.ASCII):
                return _group(kind, match.groupdict())
        raise wrong(f'must be a window such as "90 days", "since 2026-11-23" or "ever", not {shown(value)}')
    if isinstance(value, Model):
        return value
    if not (isinstance(value, dict) and ("from" in value or "to" in value)):
        kind_of(value, _NAMES, what="a window")
    return value


def _group(kind: str, parts: dict[str, str]) -> dict[str, Any]:
    numbers = {key: int(parts[key]) for key in ("n", "m") if key in parts}
    if numbers:
        return {kind: {**numbers, "unit": parts["unit"]}}
    return dict(parts) or {"ever": True}


def _tag(value: Any) -> str:
    if isinstance(value, Model):
        return tag(next(kind for kind, model in _KINDS.items() if type(value) is model))
    found = next(kind for kind in _KINDS if kind in value)
    return tag("from" if found == "to" else found)


def _below_a_century(span: S, n: int) -> S:
    if n > _CENTURY[span.unit]:
        raise wrong(f"must not be more than 100 years ({_CENTURY[span.unit]} {span.unit}s), not {n}", key="n")
    return span


Window = Annotated[
    Annotated[Last, Tag("<last>")]
    | Annotated[MoreThanAgo, Tag("<more_than_ago>")]
    | Annotated[BetweenAgo, Tag("<between_ago>")]
    | Annotated[Between, Tag("<from>")]
    | Annotated[Since, Tag("<since>")]
    | Annotated[Before, Tag("<before>")]
    | Annotated[Ever, Tag("<ever>")],
    Discriminator(_tag),
    BeforeValidator(_from_text),
]
"""Any window. Texts such as `90 days`, `in last 90 days` and `between 60 and 30 days ago` are read too."""
