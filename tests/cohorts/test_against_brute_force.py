"""Random definitions over random data: the engine and a plain Python evaluator name the same people."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.cohorts.reading import read_definition, stored_definition
from hub.workspace import Workspace
from tests.cohorts.asking import people_of
from tests.cohorts.brute_force import brute_force
from tests.lake_rows import EventRow, ProfileRow, add_events, add_identity, add_profiles, make_workspace

NOW = datetime(2026, 3, 30, 1, 30, 0, 250_000, tzinfo=UTC)  # Oslo's clocks went forward a day before
US = timedelta(microseconds=1)
EVENTS = ["A", "B", "Opened"]
VALUES: list[Any] = ["pro", "Pro", "free", "3", "", 3, 3.5, 0, -1, True, False, "2026-03-01", "2026-03-01T12:00:00Z",
                     "2026-02-28T23:30:00-01:00", ["pro"], {"a": 1}]  # fmt: skip
NAMES = ["plan", "$os", "when done"]
UNITS = ["hour", "day", "week", "month"]
DAYS = ["2026-01-31", "2026-02-28", "2026-03-01", "2026-03-29", "2026-03-30", "2026-04-02"]


class World:
    """Random data, in a hub and in lists."""

    def __init__(self, home: Any, seed: int, *, timezone: str, linked: bool) -> None:
        pick = random.Random(seed)
        self.workspace: Workspace = make_workspace(home, timezone=timezone)
        ids = [f"p{number}" for number in range(12)] + ["$device:1", "$device:2"]
        addresses = [f"$match:$email:p{number}@x.no" for number in range(8)]
        edges = [timedelta(days=days) for days in (0, 1, 7, 28, 29, 30, 31, 59, 60, 90)]
        self.events = [
            EventRow(
                pick.choice(ids if event != "Opened" else addresses),
                event,
                NOW - pick.choice(edges) + pick.choice([-US, timedelta(), timedelta(), US, timedelta(hours=-1)]),
                self._properties(pick),
                source="mailchimp" if event == "Opened" else None,
            )
            for event in pick.choices(EVENTS, k=160)
        ]
        self.profiles = [
            ProfileRow(
                distinct_id,
                {"$email": f" P{pick.randrange(6)}@X.no ", **self._properties(pick)},
                seq=seq,
                deleted=pick.random() < 0.15,
            )
            for seq, distinct_id in enumerate(pick.choices([*ids, "q1", "q2"], k=20))
        ]
        self.identity = {"$device:1": "p1", "p2": "p3", "q1": "p3"} if linked else {}
        add_events(self.workspace, self.events)
        add_profiles(self.workspace, self.profiles)
        if linked:
            add_identity(self.workspace, self.identity)
            add_identity(self.workspace, {"p5": "p6"}, known_to=NOW)

    @staticmethod
    def _properties(pick: random.Random) -> dict[str, Any]:
        return {name: pick.choice(VALUES) for name in NAMES if pick.random() < 0.6}


WORLDS = [(1, "Europe/Oslo", False), (2, "America/New_York", False), (3, "Europe/Oslo", True)]


@pytest.fixture(scope="module", params=WORLDS, ids=str)
def world(request, tmp_path_factory):
    seed, timezone, linked = request.param
    return World(tmp_path_factory.mktemp("world") / "home", seed, timezone=timezone, linked=linked)


def _test(key: str) -> st.SearchStrategy[dict[str, Any]]:
    scalar = st.sampled_from([value for value in VALUES if not isinstance(value, (list, dict))])
    ordered = st.sampled_from([3, 0, 3.5, "2026-03-01", "2026-03-01T12:00:00Z", "2026-02-28"])
    valued = st.one_of(
        st.tuples(st.sampled_from(["=", "!="]), scalar),
        st.tuples(st.sampled_from([">", ">=", "<", "<="]), ordered),
        st.tuples(st.sampled_from(["in", "not in"]), st.lists(scalar, min_size=1, max_size=4)),
        st.tuples(
            st.sampled_from(["contains", "does not contain", "starts with", "ends with"]),
            st.sampled_from(["pr", "R", "O", "2026", "%", "3"]),
        ),
        st.tuples(
            st.just("between"), st.sampled_from([[0, 3], [-1, 3.5], ["2026-02-28", "2026-03-01"], ["2026-03-01"] * 2])
        ),
    ).map(lambda pair: {"op": pair[0], "value": pair[1]})
    bare = st.sampled_from(["is set", "is not set"]).map(lambda op: {"op": op})
    return st.tuples(st.sampled_from(NAMES), valued | bare).map(lambda pair: {key: pair[0], **pair[1]})


def _groups(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda items: {"all": items}),
            st.lists(inner, min_size=1, max_size=3).map(lambda items: {"any": items}),
            inner.map(lambda item: {"not": item}),
        ),
        max_leaves=5,
    )


def _window() -> st.SearchStrategy[dict[str, Any]]:
    span = st.fixed_dictionaries({"n": st.sampled_from([1, 2, 7, 29, 30, 60]), "unit": st.sampled_from(UNITS)})
    pair = st.sampled_from([(2, 0), (30, 7), (60, 30), (7, 7)])
    spans = st.tuples(pair, st.sampled_from(UNITS)).map(lambda it: {"n": it[0][0], "m": it[0][1], "unit": it[1]})
    two_days = st.lists(st.sampled_from(DAYS), min_size=2, max_size=2).map(sorted)
    return st.one_of(
        span.map(lambda it: {"last": it}),
        span.map(lambda it: {"more_than_ago": it}),
        spans.map(lambda it: {"between_ago": it}),
        st.sampled_from(DAYS).map(lambda day: {"since": day}),
        st.sampled_from(DAYS).map(lambda day: {"before": day}),
        two_days.map(lambda days: {"from": days[0], "to": days[1]}),
    )


def _did() -> st.SearchStrategy[dict[str, Any]]:
    count = st.tuples(
        st.sampled_from(["at_least", "at_most", "exactly", "more_than", "fewer_than"]), st.integers(1, 4)
    ).map(lambda pair: {pair[0]: pair[1]})
    required = st.tuples(st.sampled_from(["did", "did_not"]), st.sampled_from([*EVENTS, "any event", "Never"]))
    optional = st.fixed_dictionaries(
        {},
        optional={
            "count": count | st.just({"exactly": 0}) | st.just({"at_least": 0}),
            "window": _window(),
            "where": st.lists(_groups(_test("property")), min_size=1, max_size=2),
        },
    )
    return st.tuples(required, optional).map(lambda pair: {pair[0][0]: pair[0][1], **pair[1]})


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(clause=_groups(_did() | _test("profile")))
def test_the_engine_and_plain_python_name_the_same_people(world, clause):
    definition = stored_definition({"version": 1, **clause}, name="random")
    expected = brute_force(
        clause, world.events, world.profiles, NOW, world.workspace.project.zone, identity=world.identity
    )
    assert people_of(world.workspace, definition, NOW) == expected


@settings(max_examples=200, deadline=None)
@given(clause=_groups(_did() | _test("profile")))
def test_a_definition_written_as_yaml_reads_back_as_the_same(clause):
    from hub.cohorts.documents import write_yaml

    definition = stored_definition({"version": 1, **clause}, name="random")
    assert read_definition(write_yaml(definition.document())) == definition
