"""Tests of properties, and groups of them: what stands after `where`, what `profile` says, and what is asked of lists.

A list and an object are looked into by tests of their own: `any of` and `all of` ask the elements of a list, `has`
asks an object::

    {property: tags, op: any of, value: {op: "=", value: sale}}
    {property: items, op: any of, value: {all: [{property: sku, op: in, value: [A1, B2]}, {property: price, op: ">", value: 9}]}}
    {profile: address, op: has, value: {property: city, op: "=", value: Oslo}}
"""  # noqa: E501

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    TypeAdapter,
    ValidationInfo,
    model_validator,
)

from hub.cohorts.model import Model, Name, kind_of, one_of, shown, sound_text, tag, wrong
from hub.cohorts.operators import NESTED, OPS, SPANS, SYNONYMS, Op, Scalar, about_dates, date_range, misfit
from hub.cohorts.windows import Length, Span

_MOST_VALUES = 100_000
_LENGTH = TypeAdapter[Span](Length)


def _value(value: Any, info: ValidationInfo) -> Any:
    op = info.data.get("op")
    if value is None:
        return None
    if op in SPANS:
        return _LENGTH.validate_python(value)
    if op in NESTED:
        return _nested(value, op)
    return scalars(value)


def scalars(value: Any) -> Any:
    """A scalar, or a list of scalars as a tuple. Refuses everything else."""
    if isinstance(value, (list, tuple)):
        if len(value) > _MOST_VALUES:
            raise wrong(f"has {len(value)} values, and {_MOST_VALUES} are the most")
        return tuple(_scalar(item, key=index) for index, item in enumerate(value))
    return _scalar(value)


def _scalar(value: Any, *, key: int | None = None) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return sound_text(value, key=key)
    if isinstance(value, (int, float)):
        if abs(value) > 1e300 or not math.isfinite(value):
            raise wrong("must be a finite number", key=key)
        return value
    raise wrong(f"must be text, a number, true or false, not {shown(value)}", key=key)


Value = Annotated[Any, PlainValidator(_value)]
"""What the operator wants: nothing, a scalar, a tuple of scalars, a Span, or an ElementFilter."""

Operator = Annotated[Op, one_of(OPS, synonyms=tuple(SYNONYMS))]
"""One of OPS. `before` and `since` are read as well, as `<` and `>=`."""

T = TypeVar("T", bound=Model)


def read_synonym(data: Any) -> Any:
    """A test with the operator that a synonym means. The value after a synonym must be a date."""
    if not isinstance(data, Mapping) or not isinstance(data.get("op"), str) or data["op"] not in SYNONYMS:
        return data
    if date_range(data.get("value")) is None:
        raise wrong(f"must be a date such as 2026-11-23 after {data['op']!r}", key="value")
    return {**data, "op": SYNONYMS[data["op"]]}


def _fitting(test: T) -> T:
    problem = misfit(test.op, test.value)  # type: ignore[attr-defined]
    if problem:
        raise wrong(problem, key="value")
    return test


class EventTest(Model):
    """A test of a property of the event, or of an object: `PROPERTY op VALUE`."""

    property: Name
    op: Operator
    value: Value = None

    _synonym = model_validator(mode="before")(read_synonym)
    _value_fits = model_validator(mode="after")(_fitting)


class ProfileTest(Model):
    """A test of a property of the profile: `user.PROPERTY op VALUE`."""

    profile: Name
    op: Operator
    value: Value = None

    _synonym = model_validator(mode="before")(read_synonym)
    _value_fits = model_validator(mode="after")(_fitting)


class ElementTest(Model):
    """A test of an element of a list: `op VALUE`."""

    op: Operator
    value: Value = None

    _value_fits = model_validator(mode="after")(_fitting)


class AllTests(Model):
    """Every one of the tests holds."""

    all: tuple[Filter, ...] = Field(min_length=1)


class AnyTests(Model):
    """At least one of the tests holds."""

    any: tuple[Filter, ...] = Field(min_length=1)


class NotTest(Model):
    """The test does not hold."""

    not_: Filter = Field(alias="not")


class AllElementTests(Model):
    """Every one of the tests of one element holds."""

    all: tuple[ElementFilter, ...] = Field(min_length=1)


class AnyElementTests(Model):
    """At least one of the tests of one element holds."""

    any: tuple[ElementFilter, ...] = Field(min_length=1)


class NotElementTest(Model):
    """The test of the element does not hold."""

    not_: ElementFilter = Field(alias="not")


_KINDS: dict[str, type[Model]] = {"property": EventTest, "all": AllTests, "any": AnyTests, "not": NotTest}
ELEMENT_KINDS: dict[str, type[Model]] = {
    "property": EventTest,
    "op": ElementTest,
    "all": AllElementTests,
    "any": AnyElementTests,
    "not": NotElementTest,
}
"""The kinds of an ElementFilter, by the key that makes a group one of them."""


def _tag(value: Any) -> str:
    if isinstance(value, Model):
        return tag(next(kind for kind, model in _KINDS.items() if type(value) is model))
    return tag(kind_of(value, _KINDS, what="a test"))


def _element_tag(value: Any) -> str:
    if isinstance(value, Model):
        return tag(next(kind for kind, model in ELEMENT_KINDS.items() if type(value) is model))
    kinds = [kind for kind in ELEMENT_KINDS if kind != "op"]
    if isinstance(value, Mapping) and "op" in value and not any(kind in value for kind in kinds):
        return tag("op")
    return tag(kind_of(value, kinds if isinstance(value, Mapping) else ELEMENT_KINDS, what="a test"))


def _checked(value: Any) -> Any:
    _tag(value)
    return value


def _checked_element(value: Any) -> Any:
    _element_tag(value)
    return value


Filter = Annotated[
    Annotated[EventTest, Tag("<property>")]
    | Annotated[AllTests, Tag("<all>")]
    | Annotated[AnyTests, Tag("<any>")]
    | Annotated[NotTest, Tag("<not>")],
    Discriminator(_tag),
    BeforeValidator(_checked),
]
"""A test, or a group of tests."""

ElementFilter = Annotated[
    Annotated[EventTest, Tag("<property>")]
    | Annotated[ElementTest, Tag("<op>")]
    | Annotated[AllElementTests, Tag("<all>")]
    | Annotated[AnyElementTests, Tag("<any>")]
    | Annotated[NotElementTest, Tag("<not>")],
    Discriminator(_element_tag),
    BeforeValidator(_checked_element),
]
"""A test of an element of a list (`op VALUE`) or of a property of an object, or a group of such."""

AnyFilter = EventTest | ElementTest | AllTests | AnyTests | NotTest | AllElementTests | AnyElementTests | NotElementTest


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


for _group in (AllTests, AnyTests, NotTest, AllElementTests, AnyElementTests, NotElementTest):
    _group.model_rebuild()

Filters = Annotated[
    tuple[Filter, ...],
    BeforeValidator(_listed, json_schema_input_type=tuple[Filter, ...] | Filter),
    Field(min_length=1),
]
"""What stands after `where`: tests that must all hold. A single one may stand without a list."""

_NESTED = TypeAdapter[Any](ElementFilter)


def leaves(test: AnyFilter) -> Iterator[EventTest | ElementTest]:
    """The tests of a filter that are not groups, in their order; not those within `any of`, `all of` and `has`."""
    match test:
        case EventTest() | ElementTest():
            yield test
        case NotTest() | NotElementTest():
            yield from leaves(test.not_)
        case AllTests() | AllElementTests():
            for each in test.all:
                yield from leaves(each)
        case AnyTests() | AnyElementTests():
            for each in test.any:
                yield from leaves(each)


def size(test: EventTest | ElementTest | ProfileTest) -> int:
    """How many tests a test is: itself, and those of what is nested in it."""
    return 1 + (sum(size(each) for each in leaves(test.value)) if test.op in NESTED else 0)


def _nested(value: Any, op: str) -> Any:
    nested = _NESTED.validate_python(value)
    for test in leaves(nested):
        if op == "has" and isinstance(test, ElementTest):
            raise wrong("must name the property of the object, such as {property: city, op: '=', value: Oslo}")
        if about_dates(test.op, test.value):
            raise wrong(f"cannot have a date ({test.op!r}): dates within lists and objects are kept as texts")
    return nested
