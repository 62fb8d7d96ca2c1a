"""What each engine can answer, clause by clause and operator by operator, and what it is refused for.

What an engine lacks is refused by name before anything runs. `python -m checks.spark --table` writes the table of
docs/engines.md from here, and a test compares both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from hub.cohorts import definition
from hub.cohorts.definition import Declined, Did, DidNot, InCohort, Leaf, Listed, ThenDidNot, clauses, steps
from hub.cohorts.filters import AnyFilter, ElementTest, EventTest, ProfileTest, leaves
from hub.cohorts.measures import FUNCTIONS
from hub.cohorts.operators import NESTED, OPS
from hub.errors import UsageError
from hub.lake.engines import DUCKDB, SPARK

if TYPE_CHECKING:
    from hub.cohorts.question import Question

ENGINES: Mapping[str, str] = {DUCKDB: "DuckDB", SPARK: "Spark"}
"""The engines and what people call them."""

CLAUSES: tuple[str, ...] = (
    "did",
    "did not do",
    "times",
    "days",
    *(f"{function.replace('_', ' ')} of a property" for function in FUNCTIONS),
    "for the first time",
    "then",
    "then did not do",
    "within months",
    "declining activity",
    "user.property",
    "in cohort",
    "list or SQL",
)
"""What clauses ask, by the words of the text language."""

FEATURES: tuple[str, ...] = (*CLAUSES, *(f"operator {op}" for op in OPS))
"""Everything that an engine may have or lack."""

LACKS: Mapping[str, Mapping[str, str]] = {DUCKDB: {}, SPARK: {}}
"""What an engine lacks, and what to do instead. `make spark` found nothing that Spark 4 does not answer like DuckDB."""


def refuse_lacking(engine: str, questions: Iterable[Question], lacks: Mapping[str, Mapping[str, str]] = LACKS) -> None:
    """Raise UsageError when a question asks what the engine lacks: which clause, which engine, and what to do."""
    lacking = lacks.get(engine, {})
    if not lacking:
        return
    for question in questions:
        for each in (question.definition, *question.cohorts.values()):
            for feature in features(clauses(each.clause)):
                if feature in lacking:
                    raise UsageError(
                        f"The engine {ENGINES.get(engine, engine)} cannot answer {feature!r}.", hint=lacking[feature]
                    )


def features(asked: Iterable[Leaf]) -> Iterator[str]:
    """What clauses ask of an engine: some of FEATURES, perhaps several times."""
    for clause in asked:
        yield from _of_clause(clause)
        for step in steps(clause):
            for each in step.where or ():
                yield from _of_filter(each)


def table() -> str:
    """The support of each engine as a Markdown table."""
    lines = [("Clause or operator", *ENGINES.values()), ("---",) * (len(ENGINES) + 1)]
    lines += [(_shown(feature), *(_answer(engine, feature) for engine in ENGINES)) for feature in FEATURES]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _of_clause(clause: Leaf) -> Iterator[str]:
    match clause:
        case Did() | DidNot():
            yield "did" if isinstance(clause, Did) else "did not do"
            yield from _of_measure(clause)
        case definition.Sequence():
            yield "then did not do" if isinstance(clause.then, ThenDidNot) else "then"
            if clause.within.unit == "month":
                yield "within months"
        case Declined():
            yield "declining activity"
        case ProfileTest():
            yield "user.property"
            yield from _of_test(clause)
        case InCohort():
            yield "in cohort"
        case Listed():
            yield "list or SQL"


def _of_measure(clause: Did | DidNot) -> Iterator[str]:
    if clause.first:
        yield "for the first time"
    elif clause.aggregate is None:
        yield clause.count.unit
    else:
        yield f"{clause.aggregate.of[0].replace('_', ' ')} of a property"
        yield f"operator {clause.aggregate.op}"


def _of_filter(test: AnyFilter) -> Iterator[str]:
    for each in leaves(test):
        yield from _of_test(each)


def _of_test(test: EventTest | ElementTest | ProfileTest) -> Iterator[str]:
    yield f"operator {test.op}"
    if test.op in NESTED:
        yield from _of_filter(test.value)


def _shown(feature: str) -> str:
    kind, blank, op = feature.partition("operator ")
    return f"`{op}`" if blank else kind


def _answer(engine: str, feature: str) -> str:
    instead = LACKS[engine].get(feature)
    return "yes" if instead is None else f"no: {instead}"
