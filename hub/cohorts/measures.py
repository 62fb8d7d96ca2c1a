"""What is asked of the events that somebody did: how often, on how many days, what their values come to, and how the
number of them changed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from hub.cohorts.filters import scalars
from hub.cohorts.model import Model, Name, listed, one_of, shown, whole_number, wrong
from hub.cohorts.operators import DAYS, LISTS, ORDER, RANGES, TEXTS, Op, is_number, misfit
from hub.cohorts.windows import Length

COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "at_least": operator.ge,
    "at_most": operator.le,
    "exactly": operator.eq,
    "more_than": operator.gt,
    "fewer_than": operator.lt,
}

FUNCTIONS: tuple[str, ...] = ("sum", "average", "min", "max", "median", "distinct", "most_frequent")
"""What the values of an event property are brought down to."""

NUMBER_OPS: tuple[str, ...] = ("=", "!=", *ORDER, *RANGES)
"""The operators of numbers."""

_MOST_PERCENT = 1_000_000


def _number(value: Any) -> int:
    return whole_number(value, least=0)


_Number = Annotated[int, BeforeValidator(_number), Field(json_schema_extra={"minimum": 0})]


class Count(Model):
    """How many times, or on how many different days of the project's zone: exactly one of the comparisons."""

    at_least: _Number | None = None
    at_most: _Number | None = None
    exactly: _Number | None = None
    more_than: _Number | None = None
    fewer_than: _Number | None = None
    unit: Annotated[Literal["times", "days"], one_of(("times", "days"))] = "times"

    @model_validator(mode="before")
    @classmethod
    def _one_comparison(cls, data: Any) -> Any:
        if isinstance(data, int):
            raise wrong(f"must say how, such as {{at_least: {data}}}")
        if isinstance(data, Mapping) and len([word for word in COMPARISONS if word in data]) > 1:
            raise wrong(f"can have only one of {listed(COMPARISONS)}")
        return data

    @model_validator(mode="after")
    def _can_hold(self) -> Count:
        comparison, n = self.comparison
        if comparison == "fewer_than" and n == 0:
            raise wrong(f"must be at least 1: nobody does something on fewer than 0 {self.unit}", key="fewer_than")
        return self

    @property
    def comparison(self) -> tuple[str, int]:
        """The comparison and its number."""
        for word in COMPARISONS:
            n = getattr(self, word)
            if n is not None:
                return word, n
        raise wrong(f"must have one of {listed(COMPARISONS)}")

    def holds(self, number: Any) -> Any:
        """Whether it holds for a number of times or days; for a column of them, a column."""
        comparison, n = self.comparison
        return COMPARISONS[comparison](number, n)


class Aggregate(Model):
    """What the values of an event property come to, compared with a value: `{sum: amount, op: ">", value: 200}`.

    `sum`, `average` and `median` look at numbers; so do `min` and `max`, or at dates if `value` is one. `distinct` is
    how many different texts, numbers and yes/no there are; `most_frequent` is the one of them that is there most.
    """

    sum: Name | None = None
    average: Name | None = None
    min: Name | None = None
    max: Name | None = None
    median: Name | None = None
    distinct: Name | None = None
    most_frequent: Name | None = None
    op: Annotated[Op, one_of((*NUMBER_OPS, *DAYS, *LISTS, *TEXTS))]
    value: Annotated[Any, PlainValidator(scalars)]

    @model_validator(mode="before")
    @classmethod
    def _one_function(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            found = [word for word in FUNCTIONS if data.get(word) is not None]
            if len(found) > 1:
                raise wrong(f"can have only one of {listed(FUNCTIONS)}, and has {' and '.join(found)}")
            if not found and "op" in data:
                slips = [key for key in data if key not in ("op", "value", *FUNCTIONS)]
                if not slips:
                    raise wrong(f"must have one of {listed(FUNCTIONS)}")
        return data

    @model_validator(mode="after")
    def _value_fits(self) -> Aggregate:
        function, _ = self.of
        known = _ops(function)
        if self.op not in known:
            raise wrong(f"must be one of {listed(known)} after {function}, not {self.op!r}", key="op")
        problem = misfit(self.op, self.value)
        first = self.value[0] if isinstance(self.value, tuple) and self.value else self.value
        if not problem and function not in ("min", "max", "most_frequent") and not is_number(first):
            problem = f"must be a number after {function}, not {shown(first)}"
        if not problem and function in ("min", "max") and isinstance(first, bool | str) and self.op in ("=", "!="):
            problem = f"must be a number after {self.op!r}, not {shown(first)}: a day goes with 'on' and 'not on'"
        if problem:
            raise wrong(problem, key="value")
        return self

    @property
    def of(self) -> tuple[str, str]:
        """The function and the property."""
        for word in FUNCTIONS:
            name = getattr(self, word)
            if name is not None:
                return word, name
        raise wrong(f"must have one of {listed(FUNCTIONS)}")


def _ops(function: str) -> tuple[str, ...]:
    if function == "most_frequent":
        return (*NUMBER_OPS, *DAYS, *LISTS, *TEXTS)
    return (*NUMBER_OPS, *DAYS) if function in ("min", "max") else NUMBER_OPS


def _percent(value: Any) -> int | float:
    if not is_number(value):
        raise wrong(f"must be a number of percent, not {shown(value)}")
    if not 0 < value <= _MOST_PERCENT:
        raise wrong(f"must be more than 0 percent, and {_MOST_PERCENT:,} at most, not {value}")
    return value  # type: ignore[no-any-return]


class Change(Model):
    """How the number of times in the window compares with that of the time right before it.

    `{less_than: 50, before: {n: 30, unit: day}}`: less than 50 percent of what it was in the 30 days before the window.
    """

    less_than: Annotated[
        int | float,
        PlainValidator(_percent, json_schema_input_type=float),
        Field(json_schema_extra={"exclusiveMinimum": 0, "maximum": _MOST_PERCENT}),
    ]
    before: Length
