"""Plans: the difference between the cohort and what the partner holds, told by a model."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.clock import now
from hub.lake.lake import Lake
from hub.lake.reading import reading
from hub.lake.tables import DELIVERIES, HELD
from hub.sync.batches import Batch
from hub.sync.held import held_by
from hub.sync.plan import Plan, write_parked, write_plan
from hub.sync.refused import Refused
from hub.sync.settle import Settled, settle
from hub.sync.states import Action, BatchState
from tests.by_target import column, texts

AUDIENCE = 7


@pytest.fixture
def lake(tmp_path) -> Lake:
    made = Lake(tmp_path / "lake")
    made.create()
    return made


class World:
    """A lake, a folder for plans, and one audience; each `sync` is a whole run against a partner that may refuse."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake = lake
        self.folder = folder
        self.run_id = 0
        self.lake_of = lake

    def plan(
        self, people: list[dict[str, Any]], *, targets=("PLAN",), parked=None, version="1", can_remove=True
    ) -> Plan:
        self.run_id += 1
        members = self.folder / f"{self.run_id}-members.parquet"
        pq.write_table(_table(people), members)
        with reading(self.lake, threads=1) as reader:
            return write_plan(
                reader,
                members=members,
                plan=self.file,
                audience_id=AUDIENCE,
                targets=targets,
                parked=parked,
                connector_version=version,
                can_remove=can_remove,
            )

    @property
    def file(self) -> Path:
        return self.folder / f"{self.run_id}-plan.parquet"

    @property
    def rows(self) -> list[dict[str, Any]]:
        return pq.read_table(self.file).to_pylist()

    def actions(self) -> list[tuple[str, str]]:
        return [(row["action"], row["key"]) for row in self.rows]

    def settle(self, plan: Plan, *, refused=(), there=(), lost=(), size=3) -> None:
        """Settle as if every batch was acknowledged, but those numbered in `lost`, which have no answer."""
        batches = [
            Batch(
                self.run_id,
                number,
                action,
                first,
                rows,
                BatchState.OWED if number in lost else BatchState.ACKNOWLEDGED,
                1,
                int(number in lost),
            )
            for number, (action, first, rows) in enumerate(plan.batches(size), start=1)
        ]
        settle(
            self,
            Settled(1, 1, AUDIENCE, 1, self.run_id),  # type: ignore[arg-type]
            plan=self.file,
            batches=batches,
            refused=lambda first, last: {
                **dict.fromkeys(refused, Refused("no")),
                **dict.fromkeys(there, Refused("no", in_audience=True)),
            },
        )

    def held(self) -> dict[str, str | None]:
        with reading(self.lake, threads=1) as reader:
            rows = [row for batch in reader.batches(held_by(reader, AUDIENCE)) for row in batch.to_pylist()]
        assert len({row["key"] for row in rows}) == len(rows)
        return {row["key"]: dict(row["mapped"] or ()).get("PLAN") for row in rows}


@pytest.fixture
def world(lake, tmp_path) -> World:
    return World(lake, tmp_path)


def _table(people: list[dict[str, Any]]) -> pa.Table:
    facts = {"person": pa.string(), "has_profile": pa.bool_(), "key": pa.string(), "invalid": pa.string()}
    columns = {name: pa.array([each.get(name) for each in people], kind) for name, kind in facts.items()}
    return pa.table({**columns, "mapped": column([each["mapped"] for each in people])})


def person(name: str, key: str | None = "same", plan: str | None = "s:pro", *, profile: bool = True) -> dict[str, Any]:
    return {
        "person": name,
        "has_profile": profile,
        "key": f"{name}@x.example" if key == "same" else key,
        "mapped": {"PLAN": plan} if plan else {},
    }


def test_the_first_run_adds_everybody_and_removes_nobody(world):
    plan = world.plan([person("b"), person("a")])

    assert world.actions() == [("add", "a@x.example"), ("add", "b@x.example")]
    assert (plan.to_add, plan.to_remove, plan.unchanged) == (2, 0, 0)


def test_an_unchanged_cohort_plans_nothing(world):
    world.settle(world.plan([person("a"), person("b")]))

    plan = world.plan([person("a"), person("b")])

    assert world.rows == []
    assert plan.unchanged == 2


def test_leavers_are_removed_and_joiners_added(world):
    world.settle(world.plan([person("a"), person("b")]))

    world.plan([person("b"), person("c")])

    assert world.actions() == [("add", "c@x.example"), ("remove", "a@x.example")]


def test_only_what_changed_is_sent_of_a_member_who_stays(world):
    both = {"CITY": "s:Oslo", "PLAN": "s:pro"}
    world.settle(world.plan([{**person("a"), "mapped": both}], targets=("PLAN", "CITY")))

    world.plan([{**person("a"), "mapped": {"CITY": "s:Oslo", "PLAN": "s:free"}}], targets=("PLAN", "CITY"))

    [row] = world.rows
    assert row["action"] == "update"
    assert texts(row["send"]) == {"PLAN": "s:free"}
    assert texts(row["mapped"]) == {"CITY": "s:Oslo", "PLAN": "s:free"}


def test_a_value_that_is_missing_now_erases_nothing(world):
    world.settle(world.plan([person("a", plan="s:pro")]))

    plan = world.plan([person("a", plan=None)])

    assert plan.unchanged == 1
    assert world.held() == {"a@x.example": "s:pro"}


def test_a_changed_key_is_one_move_old_out_and_new_in(world):
    world.settle(world.plan([person("a", key="old@x.example")]))

    world.plan([person("a", key="new@x.example")])

    assert world.actions() == [("add", "new@x.example"), ("remove", "old@x.example")]


def test_people_who_cannot_go_out_are_counted_by_reason(world):
    plan = world.plan(
        [
            person("a"),
            person("anonymous", profile=False),
            person("mute", key=None),
            person("b", key="two@x.example"),
            person("c", key="two@x.example"),
        ]
    )

    assert plan.qualified == 5
    assert plan.skipped == {"no profile": 1, "no key": 1, "shared key": 1}
    assert [row["person"] for row in world.rows] == ["a", "b"]


def test_without_the_ability_to_remove_nobody_is_taken_out(world):
    world.settle(world.plan([person("a"), person("b")]))

    plan = world.plan([person("a")], can_remove=False)

    assert world.rows == []
    assert plan.to_remove == 0


def parked(world, key: str, action: str, *, version="1", retry_in=timedelta(days=1)) -> Path:
    [row] = [row for row in world.rows if row["key"] == key]
    refused = SimpleNamespace(
        key=key,
        action=action,
        mapped=row["fingerprint"],
        connector_version=version,
        retry_at=now() + retry_in,
    )
    return write_parked([[refused]], world.folder / f"{version}-{retry_in.days}-parked.parquet")


def test_somebody_refused_is_parked_until_the_data_the_connector_or_the_time_changes(world):
    plan = world.plan([person("a"), person("b")])
    waiting = parked(world, "a@x.example", "add")
    due = parked(world, "a@x.example", "add", retry_in=timedelta(days=-1))
    world.settle(plan, refused=["a@x.example"])
    cohort = [person("a"), person("b")]

    plan = world.plan(cohort, parked=waiting)
    assert (world.actions(), plan.parked, plan.unchanged) == ([], 1, 1)

    world.plan(cohort, parked=due)
    assert world.actions() == [("add", "a@x.example")]

    world.plan(cohort, parked=waiting, version="2")
    assert world.actions() == [("add", "a@x.example")]

    world.plan([person("a", plan="s:free"), person("b")], parked=waiting)
    assert world.actions() == [("add", "a@x.example")]


def test_somebody_refused_who_is_in_the_audience_all_the_same_is_taken_out_when_he_leaves(world):
    world.settle(world.plan([person("a"), person("b")]), there=["a@x.example"])

    world.plan([person("b")])

    assert world.actions() == [("remove", "a@x.example")]


def test_somebody_whose_answer_was_lost_is_sent_again_or_taken_out(world):
    world.settle(world.plan([person("a"), person("b")]), lost={1})

    world.plan([person("a")])

    assert world.actions() == [("add", "a@x.example"), ("remove", "b@x.example")]


def test_settling_twice_adds_nothing(world):
    plan = world.plan([person("a"), person("b")])
    world.settle(plan)
    files = world.lake.files(HELD), world.lake.files(DELIVERIES)

    world.settle(plan)

    assert (world.lake.files(HELD), world.lake.files(DELIVERIES)) == files


def test_batches_never_mix_actions():
    plan = Plan(0, {}, to_add=5, to_update=1, to_remove=2, unchanged=0, parked=0, digest="")

    assert plan.batches(2) == [
        (Action.ADD, 0, 2),
        (Action.ADD, 2, 2),
        (Action.ADD, 4, 1),
        (Action.UPDATE, 5, 1),
        (Action.REMOVE, 6, 2),
    ]


PEOPLE = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.sampled_from(["same", None, "shared@x.example"]), st.sampled_from([None, "s:pro", "s:free"])),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.tuples(PEOPLE, st.sets(st.sampled_from("abcdefgh")), st.booleans()), min_size=1, max_size=4))
def test_after_any_history_of_changes_refusals_and_lost_answers_a_quiet_run_makes_the_partner_equal(
    history, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("world")
    lake = Lake(folder / "lake")
    lake.create()
    world = World(lake, folder)
    for people, refused, loses in history:
        cohort = [person(name, key, plan) for name, (key, plan) in people.items()]
        plan = world.plan(cohort)
        world.settle(plan, refused=[f"{name}@x.example" for name in refused], lost={1} if loses else set())

    world.settle(world.plan(cohort))

    assert set(world.held()) == {row["key"] for row in cohort if row["key"]}
    assert world.plan(cohort).to_add + world.plan(cohort).to_remove + world.plan(cohort).to_update == 0
