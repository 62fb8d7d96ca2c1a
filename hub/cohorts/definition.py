"""What a cohort is: a versioned, frozen definition whose words are those of the text language.

::

    version: 1
    description: Three or more purchases, none in 90 days
    all:
      - did: Purchase
        count: {at_least: 3}
      - did_not: Purchase
        window: {last: {n: 90, unit: day}}
      - any:
          - {profile: plan, op: in, value: [pro, team]}
          - not: {profile: country, op: "=", value: NO}
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_serializer, model_validator

from hub.cohorts.filters import AllTests, EventTest, Filter, Filters, NotTest, ProfileTest
from hub.cohorts.model import Model, Name, Words, kind_of, one_of, tag, whole_number, wrong
from hub.cohorts.windows import Window

VERSION = 1
"""The newest version of definitions that this hub reads."""

ANY_EVENT = "any event"
"""In the place of an event's name: whatever the person did."""

MOST_PARTS = 500
"""Clauses, and tests of events' properties, that one definition may have: a thousand are too many for one query."""

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "at_least": operator.ge,
    "at_most": operator.le,
    "exactly": operator.eq,
    "more_than": operator.gt,
    "fewer_than": operator.lt,
}


def _number(value: Any) -> int:
    return whole_number(value, least=0)


_Number = Annotated[int, BeforeValidator(_number)]


class Count(Model):
    """How many times: exactly one of the comparisons."""

    at_least: _Number | None = None
    at_most: _Number | None = None
    exactly: _Number | None = None
    more_than: _Number | None = None
    fewer_than: _Number | None = None
    unit: Annotated[Literal["times"], one_of(("times",))] = "times"

    @model_validator(mode="before")
    @classmethod
    def _one_comparison(cls, data: Any) -> Any:
        if isinstance(data, int):
            raise wrong(f"must say how, such as {{at_least: {data}}}")
        if isinstance(data, Mapping) and len([word for word in COMPARISONS if word in data]) > 1:
            raise wrong(f"can have only one of {', '.join(COMPARISONS)}")
        return data

    @model_validator(mode="after")
    def _can_hold(self) -> Count:
        comparison, n = self.comparison
        if comparison == "fewer_than" and n == 0:
            raise wrong("must be at least 1: nobody does something fewer than 0 times", key="fewer_than")
        return self

    @property
    def comparison(self) -> tuple[str, int]:
        """The comparison and its number."""
        for word in COMPARISONS:
            n = getattr(self, word)
            if n is not None:
                return word, n
        raise wrong(f"must have one of {', '.join(COMPARISONS)}")

    def holds(self, times: Any) -> Any:
        """Whether it holds for a number of times; for a column of them, a column."""
        comparison, n = self.comparison
        return COMPARISONS[comparison](times, n)


class Did(Model):
    """Somebody did the event so often, in the window. `any event` stands for all of them."""

    did: Name
    where: Filters | None = None
    count: Count = Count(at_least=1)
    window: Window | None = None

    @property
    def event(self) -> str:
        """The event's name."""
        return self.did


class DidNot(Model):
    """The opposite of `Did`, its count included."""

    did_not: Name
    where: Filters | None = None
    count: Count = Count(at_least=1)
    window: Window | None = None

    @property
    def event(self) -> str:
        """The event's name."""
        return self.did_not


class AllOf(Model):
    """Every one of the clauses holds."""

    all: tuple[Clause, ...] = Field(min_length=1)


class AnyOf(Model):
    """At least one of the clauses holds."""

    any: tuple[Clause, ...] = Field(min_length=1)


class Not(Model):
    """The clause does not hold."""

    not_: Clause = Field(alias="not")


_KINDS: dict[str, type[Model]] = {
    "did": Did,
    "did_not": DidNot,
    "profile": ProfileTest,
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
}


def _tag(value: Any) -> str:
    if isinstance(value, Model):
        return tag(next(kind for kind, model in _KINDS.items() if type(value) is model))
    return tag(kind_of(value, _KINDS, what="a clause"))


def _checked(value: Any) -> Any:
    _tag(value)
    return value


Clause = Annotated[
    Annotated[Did, Tag("<did>")]
    | Annotated[DidNot, Tag("<did_not>")]
    | Annotated[ProfileTest, Tag("<profile>")]
    | Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")],
    Discriminator(_tag),
    BeforeValidator(_checked),
]
"""One condition on a person."""

_CLAUSE = "<clause>"
_HEADER = ("version", "description")


class Definition(Model):
    """A whole definition. In a file, the keys of its one clause stand beside `version` and `description`."""

    version: Literal[1] = 1
    description: Words = ""
    clause: Clause = Field(alias="<clause>")

    @model_validator(mode="before")
    @classmethod
    def _clause_beside_header(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or isinstance(data.get(_CLAUSE), Model):
            return data
        header = {key: data[key] for key in _HEADER if key in data}
        return {**header, _CLAUSE: {key: value for key, value in data.items() if key not in _HEADER}}

    @model_validator(mode="after")
    def _not_too_many_parts(self) -> Definition:
        parts = sum(1 + len([*tests(getattr(each, "where", None))]) for each in clauses(self.clause))
        if parts > MOST_PARTS:
            raise wrong(f"has {parts:,} clauses and tests, and can have {MOST_PARTS} at most: join them with `op: in`")
        return self

    @model_serializer(mode="plain")
    def _flat(self) -> dict[str, Any]:
        header: dict[str, Any] = {"version": self.version}
        if self.description:
            header["description"] = self.description
        return {**header, **self.clause.model_dump(mode="json", by_alias=True, exclude_defaults=True)}

    def document(self) -> dict[str, Any]:
        """The definition as JSON has it: what is stored, and what reads back as the same definition."""
        return self.model_dump(mode="json")


def clauses(clause: Clause) -> Iterator[Did | DidNot | ProfileTest]:
    """The clauses of a definition that are not groups, in their order."""
    if isinstance(clause, (AllOf, AnyOf)):
        for inner in clause.all if isinstance(clause, AllOf) else clause.any:
            yield from clauses(inner)
    elif isinstance(clause, Not):
        yield from clauses(clause.not_)
    else:
        yield clause


def tests(filters: tuple[Filter, ...] | None) -> Iterator[EventTest]:
    """The tests of a `where` that are not groups, in their order."""
    for test in filters or ():
        if isinstance(test, EventTest):
            yield test
        elif isinstance(test, NotTest):
            yield from tests((test.not_,))
        else:
            yield from tests(test.all if isinstance(test, AllTests) else test.any)
