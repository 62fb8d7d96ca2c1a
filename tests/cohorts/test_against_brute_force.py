"""Random definitions over random data: the engine and a plain Python evaluator name the same people."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.cohorts.definition import Definition
from hub.cohorts.documents import write_yaml
from hub.cohorts.members import evaluate, members
from hub.cohorts.question import Question
from hub.cohorts.reading import read_definition, stored_definition
from hub.cohorts.references import closure
from hub.workspace import Workspace
from tests.cohorts.brute_force import Data, brute_force
from tests.lake_rows import EventRow, ProfileRow, add_events, add_identity, add_profiles, make_workspace

EXAMPLES = int(os.environ.get("COHORT_EXAMPLES", "12"))
"""Of each world. More of them by hand, now and then: COHORT_EXAMPLES=2000."""

NOW = datetime(2026, 3, 30, 1, 30, 0, 250_000, tzinfo=UTC)  # Oslo's clocks went forward a day before
US = timedelta(microseconds=1)
EVENTS = ["A", "B", "Opened"]
VALUES: list[Any] = ["pro", "Pro", "free", "3", "", 3, 3.5, 0, -1, True, False, "2026-03-01", "2026-03-01T12:00:00Z",
                     "2026-02-28T23:30:00-01:00", "2026-04-02", ["pro"], ["pro", 3, None, True], [], [3, 3.5, -1],
                     [{"a": 3, "sku": "pro"}, {"a": "3", "sku": ["R\"\\\n", 3]}], [["pro"], {"a": {"sku": 1}}],
                     {"a": 1}, {"a": "Pro", "sku": ["pro", 3], "in.\"ner": None}, {"a": {"sku": 3}}]  # fmt: skip
SCALARS = st.sampled_from([value for value in VALUES if not isinstance(value, (list, dict))])
TEXT_OPS = ["contains", "does not contain", "starts with", "ends with"]
NAMES = ["plan", "$os", "when done"]
UNITS = ["hour", "day", "week", "month"]
DAYS = ["2026-01-31", "2026-02-28", "2026-03-01", "2026-03-29", "2026-03-30", "2026-04-02"]


class World:
    """Random data, in a hub and in lists; up to `until`, and until a moment after NOW if that is left out."""

    def __init__(self, home: Any, seed: int, *, timezone: str, identity: str, until: datetime = NOW + US) -> None:
        pick = random.Random(seed)
        self.workspace: Workspace = make_workspace(home, timezone=timezone, identity=identity or "simplified")
        ids = [f"p{number}" for number in range(12)] + ["$device:1", "$device:2"]
        addresses = [f"$match:$email:p{number}@x.no" for number in range(8)]
        edges = [timedelta(days=days) for days in (0, 1, 2, 7, 28, 29, 30, 31, 59, 60, 90)]
        near = [-US, timedelta(), timedelta(), US, timedelta(hours=-1), timedelta(hours=-2), timedelta(hours=-2)]
        events = [
            EventRow(
                pick.choice(ids if event != "Opened" else addresses),
                event,
                min(NOW - pick.choice(edges) + pick.choice(near), until),
                self._properties(pick),
                source="mailchimp" if event == "Opened" else None,
            )
            for event in pick.choices(EVENTS, k=160)
        ]
        profiles = [
            ProfileRow(
                distinct_id,
                {"$email": f" P{pick.randrange(6)}@X.no ", **self._properties(pick)},
                seq=seq,
                deleted=pick.random() < 0.15,
            )
            for seq, distinct_id in enumerate(pick.choices([*ids, "q1", "q2"], k=20))
        ]
        links = {"$device:1": "p1", "p2": "p3", "q1": "p3"} if identity else {}
        self.data = Data(events, profiles, links, identity or "simplified")
        add_events(self.workspace, events)
        add_profiles(self.workspace, profiles)
        if links:
            add_identity(self.workspace, links)
            add_identity(self.workspace, {"p5": "p6"}, known_to=NOW)

    @staticmethod
    def _properties(pick: random.Random) -> dict[str, Any]:
        return {name: pick.choice(VALUES) for name in NAMES if pick.random() < 0.7}


WORLDS = [(1, "Europe/Oslo", ""), (2, "America/New_York", "simplified"), (3, "Europe/Oslo", "original")]


@pytest.fixture(scope="module", params=WORLDS, ids=str)
def world(request, tmp_path_factory):
    seed, timezone, identity = request.param
    made = World(tmp_path_factory.mktemp("world") / "home", seed, timezone=timezone, identity=identity)
    with made.workspace.reading() as reader:
        made.reader = reader
        yield made


def _span() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"n": st.sampled_from([1, 2, 7, 29, 30, 60]), "unit": st.sampled_from(UNITS)})


def _tested() -> st.SearchStrategy[dict[str, Any]]:
    """Operator and value of a test that can stand anywhere."""
    return st.one_of(
        st.tuples(st.sampled_from(["=", "!="]), SCALARS),
        st.tuples(st.sampled_from([">", ">=", "<", "<="]), st.sampled_from([3, 0, 3.5])),
        st.tuples(st.sampled_from(["in", "not in"]), st.lists(SCALARS, min_size=1, max_size=4)),
        st.tuples(st.sampled_from(TEXT_OPS), st.sampled_from(["pr", "R", "O", "2026", "%", "3"])),
        st.tuples(st.sampled_from(["between", "not between"]), st.sampled_from([[0, 3], [-1, 3.5]])),
        st.tuples(st.sampled_from(["is set", "is not set"])),
    ).map(_as_test)


def _dated() -> st.SearchStrategy[dict[str, Any]]:
    days = ["2026-03-01", "2026-02-28"]
    ranges = [["2026-02-28", "2026-03-01"], ["2026-03-01"] * 2, ["2026-03-01T12:00:00Z", "2026-03-29"]]
    return st.one_of(
        st.tuples(st.sampled_from([">", ">=", "<", "<="]), st.sampled_from([*days, "2026-03-01T12:00:00Z"])),
        st.tuples(st.sampled_from(["between", "not between"]), st.sampled_from(ranges)),
        st.tuples(st.sampled_from(["on", "not on"]), st.sampled_from(days)),
        st.tuples(st.sampled_from(["in the last", "not in the last", "in the next"]), _span()),
    ).map(_as_test)


def _as_test(pair: tuple[Any, ...]) -> dict[str, Any]:
    return {"op": pair[0], **({"value": pair[1]} if len(pair) > 1 else {})}


def _inner() -> st.SearchStrategy[dict[str, Any]]:
    """Tests of elements of lists, and of keys of objects."""
    key = st.tuples(st.sampled_from(["a", "sku", 'in."ner']), _tested()).map(lambda it: {"property": it[0], **it[1]})
    within = st.tuples(st.sampled_from(["a", "sku"]), st.sampled_from(["any of", "all of"]), _tested() | key).map(
        lambda it: {"property": it[0], "op": it[1], "value": it[2]}
    )
    return _groups(_tested() | key | within, leaves=2)


def _nested() -> st.SearchStrategy[dict[str, Any]]:
    key = st.tuples(st.sampled_from(["a", "sku"]), _tested()).map(lambda it: {"property": it[0], **it[1]})
    return st.one_of(
        st.tuples(st.sampled_from(["any of", "all of"]), _inner()),
        st.tuples(st.just("has"), _groups(key, leaves=2)),
    ).map(_as_test)


def _test(key: str) -> st.SearchStrategy[dict[str, Any]]:
    named = st.tuples(st.sampled_from(NAMES), st.one_of(_tested(), _dated(), _nested()))
    if key == "property":
        named |= st.tuples(st.just("time"), _dated())
        named |= st.tuples(st.just("distinct_id"), st.sampled_from([{"op": "in", "value": ["p1", "p2"]}]))
    return named.map(lambda pair: {key: pair[0], **pair[1]})


def _groups(leaf: st.SearchStrategy[Any], leaves: int = 4) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda items: {"all": items}),
            st.lists(inner, min_size=1, max_size=3).map(lambda items: {"any": items}),
            inner.map(lambda item: {"not": item}),
        ),
        max_leaves=leaves,
    )


def _window(*, begins: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    pair = st.sampled_from([(2, 0), (30, 7), (60, 30), (7, 7)])
    spans = st.tuples(pair, st.sampled_from(UNITS)).map(lambda it: {"n": it[0][0], "m": it[0][1], "unit": it[1]})
    two_days = st.lists(st.sampled_from(DAYS), min_size=2, max_size=2).map(sorted)
    beginning = st.one_of(
        _span().map(lambda it: {"last": it}),
        spans.map(lambda it: {"between_ago": it}),
        st.sampled_from(DAYS).map(lambda day: {"since": day}),
        two_days.map(lambda days: {"from": days[0], "to": days[1]}),
    )
    if begins:
        return beginning
    return st.one_of(
        beginning,
        _span().map(lambda it: {"more_than_ago": it}),
        st.sampled_from(DAYS).map(lambda day: {"before": day}),
    )


def _where() -> dict[str, Any]:
    return {"where": st.lists(_groups(_test("property"), leaves=2), min_size=1, max_size=2)}


def _count() -> st.SearchStrategy[dict[str, Any]]:
    words = st.sampled_from(["at_least", "at_most", "exactly", "more_than", "fewer_than"])
    count = st.tuples(words, st.integers(1, 4)).map(lambda pair: {pair[0]: pair[1]})
    none = st.sampled_from([{"exactly": 0}, {"at_least": 0}])
    return st.tuples(count | none, st.sampled_from([{}, {"unit": "days"}])).map(lambda it: {**it[0], **it[1]})


def _aggregate() -> st.SearchStrategy[dict[str, Any]]:
    numbers = st.one_of(
        st.tuples(st.sampled_from(["=", "!=", ">", ">=", "<", "<="]), st.sampled_from([0, 1, 2, 3, 3.5])),
        st.tuples(st.sampled_from(["between", "not between"]), st.sampled_from([[0, 3], [1, 1]])),
    )
    values = st.one_of(
        numbers,
        st.tuples(st.sampled_from(["=", "!="]), SCALARS),
        st.tuples(st.sampled_from(["in", "not in"]), st.lists(SCALARS, min_size=1, max_size=4)),
        st.tuples(st.sampled_from(TEXT_OPS), st.sampled_from(["pr", "R", "2026"])),
    )
    dates = st.tuples(st.sampled_from([">", ">=", "<", "<=", "on", "not on"]), st.sampled_from(["2026-03-01"]))
    names = st.sampled_from(NAMES)
    return st.one_of(
        st.tuples(st.sampled_from(["sum", "average", "median", "min", "max"]), names, numbers),
        st.tuples(st.just("distinct"), st.sampled_from([*NAMES, "time", "distinct_id"]), numbers),
        st.tuples(st.sampled_from(["min", "max"]), st.sampled_from([*NAMES, "time"]), dates),
        st.tuples(st.just("most_frequent"), names, values | dates),
        st.tuples(st.just("most_frequent"), st.just("time"), dates),
    ).map(lambda it: {it[0]: it[1], **_as_test(it[2])})


def _did() -> st.SearchStrategy[dict[str, Any]]:
    events = st.sampled_from([*EVENTS, "any event", "Never"])
    required = st.tuples(st.sampled_from(["did", "did_not"]), events).map(lambda pair: {pair[0]: pair[1]})
    measures = st.one_of(
        st.just({}),
        _count().map(lambda it: {"count": it}),
        _aggregate().map(lambda it: {"aggregate": it}),
        st.just({"first": True}),
    )
    optional = st.fixed_dictionaries({}, optional={"window": _window(), **_where()})
    return st.tuples(required, measures, optional).map(lambda it: {**it[0], **it[1], **it[2]})


def _sequence() -> st.SearchStrategy[dict[str, Any]]:
    events = st.sampled_from([*EVENTS, "any event"])
    then = st.tuples(st.sampled_from(["did", "did_not"]), events, st.fixed_dictionaries({}, optional=_where()))
    return st.fixed_dictionaries(
        {
            "did": events,
            "then": then.map(lambda it: {it[0]: it[1], **it[2]}),
            "within": st.fixed_dictionaries({"n": st.sampled_from([1, 2, 29, 30]), "unit": st.sampled_from(UNITS)}),
        },
        optional={"window": _window(), **_where()},
    )


def _declined() -> st.SearchStrategy[dict[str, Any]]:
    change = st.fixed_dictionaries({"less_than": st.sampled_from([25, 50, 100, 150.5]), "before": _span()})
    required = {"did": st.sampled_from([*EVENTS, "any event"]), "change": change, "window": _window(begins=True)}
    return st.fixed_dictionaries(required, optional=_where())


LEAVES = st.one_of(_did(), _did(), _sequence(), _declined(), _test("profile"))
COHORTS = {"inner": _groups(LEAVES, leaves=2), "outer": _groups(LEAVES | st.just({"cohort": "inner"}), leaves=2)}
CLAUSES = _groups(st.one_of(LEAVES, LEAVES, LEAVES, st.sampled_from([{"cohort": name} for name in COHORTS])))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(clause=CLAUSES, cohorts=st.fixed_dictionaries(COHORTS), asked=st.sampled_from([evaluate, members]))
def test_the_engine_and_plain_python_name_the_same_people(world, clause, cohorts, asked):
    definitions = {name: _definition(inner) for name, inner in cohorts.items()}
    definition = _definition(clause)
    question = Question(definition, NOW, closure(definition, definitions.__getitem__))
    project = world.workspace.project
    batches = world.reader.batches(asked(world.reader, project, question))
    found = [person for batch in batches for person in batch.column("person").to_pylist()]
    assert len(found) == len(set(found)), "somebody is there twice"
    assert set(found) == brute_force(clause, world.data, NOW, project.zone, cohorts)


@settings(max_examples=200, deadline=None)
@given(clause=CLAUSES)
def test_a_definition_written_as_yaml_reads_back_as_the_same(clause):
    definition = _definition(clause)
    assert read_definition(write_yaml(definition.document())) == definition


def _definition(clause: Any) -> Definition:
    return stored_definition({"version": 1, **clause}, name="random")
