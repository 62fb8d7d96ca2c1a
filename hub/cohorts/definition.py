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

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_serializer, model_validator

from hub.cohorts.filters import Filters, ProfileTest, leaves, size
from hub.cohorts.measures import Aggregate, Change, Count
from hub.cohorts.model import Model, Name, Words, kind_of, shown, tag, wrong
from hub.cohorts.windows import Before, Ever, Length, MoreThanAgo, Window

VERSION = 1
"""The newest version of definitions that this hub reads."""

ANY_EVENT = "any event"
"""In the place of an event's name: whatever the person did."""

MOST_PARTS = 500
"""Clauses, and tests of events' properties, that one definition may have: a thousand are too many for one query."""

_MEASURES = ("count", "aggregate", "first")


def _only_true(value: Any) -> Literal[True]:
    if value is not True:
        raise wrong(f"must be true, or be left out, not {shown(value)}")
    return True


def _one_measure(data: Any) -> Any:
    if isinstance(data, Mapping):
        found = [word for word in _MEASURES if data.get(word) is not None]
        if len(found) > 1:
            raise wrong(f"can have only one of {' and '.join(found)}: put two clauses into `all`", key=found[1])
    return data


_True = Annotated[Literal[True], BeforeValidator(_only_true)]


class Did(Model):
    """Somebody did the event, in the window, so often (at least once), or with such values of a property.

    `any event` stands for all events. With `first`, the person's first event of all history that passes the tests
    lies in the window.
    """

    did: Name
    where: Filters | None = None
    count: Count = Count(at_least=1)
    aggregate: Aggregate | None = None
    window: Window | None = None
    first: _True | None = None

    _measure = model_validator(mode="before")(_one_measure)

    @property
    def event(self) -> str:
        """The event's name."""
        return self.did


class DidNot(Model):
    """The opposite of `Did`, with whatever stands beside it."""

    did_not: Name
    where: Filters | None = None
    count: Count = Count(at_least=1)
    aggregate: Aggregate | None = None
    window: Window | None = None
    first: _True | None = None

    _measure = model_validator(mode="before")(_one_measure)

    @property
    def event(self) -> str:
        """The event's name."""
        return self.did_not


class ThenDid(Model):
    """The second step of a sequence: an event that was done."""

    did: Name
    where: Filters | None = None

    @property
    def event(self) -> str:
        """The event's name."""
        return self.did


class ThenDidNot(Model):
    """The second step of a sequence: an event that was not done."""

    did_not: Name
    where: Filters | None = None

    @property
    def event(self) -> str:
        """The event's name."""
        return self.did_not


def _step_tag(value: Any) -> str:
    if isinstance(value, Model):
        return tag("did" if isinstance(value, ThenDid) else "did_not")
    return tag(kind_of(value, ("did", "did_not"), what="the second step of a sequence"))


def _checked_step(value: Any) -> Any:
    _step_tag(value)
    return value


Step = Annotated[
    Annotated[ThenDid, Tag("<did>")] | Annotated[ThenDidNot, Tag("<did_not>")],
    Discriminator(_step_tag),
    BeforeValidator(_checked_step),
]
"""What follows the first event of a sequence."""


class Sequence(Model):
    """Somebody did one event and then, strictly later and by at most `within`, another; both in the window.

    With `then: {did_not: ...}`: did the first event at least once without the second one following so soon.
    """

    did: Name
    where: Filters | None = None
    then: Step
    within: Length
    window: Window | None = None

    @property
    def event(self) -> str:
        """The name of the first event."""
        return self.did


class Declined(Model):
    """Somebody did the event less often in the window than in the time right before it, as `change` says."""

    did: Name
    where: Filters | None = None
    change: Change
    window: Window

    @model_validator(mode="after")
    def _has_a_before(self) -> Declined:
        if isinstance(self.window, (Before, MoreThanAgo, Ever)):
            raise wrong("must have a beginning, such as 30 days: before it lies what is compared", key="window")
        return self

    @property
    def event(self) -> str:
        """The event's name."""
        return self.did


class InCohort(Model):
    """Somebody is in another cohort, as of the same time."""

    cohort: Name


class Listed(Model):
    """Somebody is on the list of a cohort that brings its own members: all that such a cohort's definition is.

    No file can say it.
    """

    listed: str

    def alone(self) -> Definition:
        """The definition of such a cohort."""
        return Definition.model_construct(version=1, description="", clause=self)


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
    "cohort": InCohort,
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
}
_KINDS_OF_DID: dict[str, type[Model]] = {"then": Sequence, "within": Sequence, "change": Declined}
"""What `did` is when such a key stands beside it."""


def _tag(value: Any) -> str:
    if isinstance(value, Model):
        return tag(next(kind for kind, model in {**_KINDS, **_KINDS_OF_DID}.items() if type(value) is model))
    kind = kind_of(value, _KINDS, what="a clause")
    if kind == "did":
        kind = next((key for key in _KINDS_OF_DID if key in value), kind)
    return tag("then" if kind == "within" else kind)


def _checked(value: Any) -> Any:
    _tag(value)
    return value


Clause = Annotated[
    Annotated[Did, Tag("<did>")]
    | Annotated[DidNot, Tag("<did_not>")]
    | Annotated[Sequence, Tag("<then>")]
    | Annotated[Declined, Tag("<change>")]
    | Annotated[ProfileTest, Tag("<profile>")]
    | Annotated[InCohort, Tag("<cohort>")]
    | Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")],
    Discriminator(_tag),
    BeforeValidator(_checked),
]
"""One condition on a person."""

Leaf = Did | DidNot | Sequence | Declined | ProfileTest | InCohort | Listed
"""A clause that is no group."""

_CLAUSE = "<clause>"
HEADER = ("version", "description")
"""The keys of a definition that stand beside those of its clause."""


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
        header = {key: data[key] for key in HEADER if key in data}
        return {**header, _CLAUSE: {key: value for key, value in data.items() if key not in HEADER}}

    @model_validator(mode="after")
    def _not_too_many_parts(self) -> Definition:
        parts = sum(_parts(each) for each in clauses(self.clause))
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


def clauses(clause: Clause) -> Iterator[Leaf]:
    """The clauses of a definition that are not groups, in their order."""
    if isinstance(clause, (AllOf, AnyOf)):
        for inner in clause.all if isinstance(clause, AllOf) else clause.any:
            yield from clauses(inner)
    elif isinstance(clause, Not):
        yield from clauses(clause.not_)
    else:
        yield clause


def steps(clause: Leaf) -> list[Did | DidNot | Sequence | Declined | ThenDid | ThenDidNot]:
    """What names an event in a clause: each has `event` and `where`."""
    if isinstance(clause, Sequence):
        return [clause, clause.then]
    return [clause] if isinstance(clause, (Did, DidNot, Declined)) else []


def _parts(clause: Leaf) -> int:
    if isinstance(clause, ProfileTest):
        return size(clause)
    tests = (test for step in steps(clause) for each in step.where or () for test in leaves(each))
    return 1 + sum(size(test) for test in tests)
