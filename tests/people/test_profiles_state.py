"""Updates of profiles in the control plane: by identity, in any division into batches, and when people become one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from hub.people.identity import Link, apply_links
from hub.people.profile_publishing import publish_profiles
from hub.people.profile_state import apply_updates, merge_profiles
from hub.people.profile_update import update_of
from hub.people.views import people_profiles
from hub.store.tables import profiles, projects
from hub.workspace import Project
from tests.lake_rows import make_workspace

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANON = "4b6f1c1e-3f0a-4c9e-8d6b-1a2b3c4d5e6f"
ARRIVED = 1_800_000_000_000_000


@pytest.fixture
def original(tmp_path):
    return make_workspace(tmp_path / "home", identity="original")


def apply(workspace, *records, project=None, at=AT):
    with workspace.store.writing() as connection:
        return apply_updates(connection, project or workspace.project, [update_of(each) for each in records], at)


def link(workspace, *links):
    with workspace.store.writing() as connection:
        apply_links(connection, workspace.project, [Link(*each) for each in links], AT)


def merge(workspace, moved, project_id=None):
    with workspace.store.writing() as connection:
        return merge_profiles(connection, project_id or workspace.project.id, moved, AT)


def current(workspace, project_id=None):
    """distinct_id -> properties, None for a deleted profile."""
    wanted = profiles.c.project_id == (project_id or workspace.project.id)
    with workspace.store.reading() as connection:
        rows = connection.execute(select(profiles).where(wanted)).all()
    assert len({row.seq for row in rows}) == len(rows)
    return {row.distinct_id: None if row.deleted else orjson.loads(row.properties) for row in rows}


def test_under_original_identity_any_id_of_a_person_means_their_profile(original):
    link(original, ("identify", "ann", ANON, 1), ("alias", "ann", "ann@example.com", 2))
    apply(original, {"$distinct_id": ANON, "$set": {"a": 1}}, {"$distinct_id": "ann@example.com", "$add": {"a": 2}})

    assert current(original) == {"ann": {"a": 3}}


def test_ignore_alias_means_the_profile_of_exactly_that_id(original):
    apply(original, {"$distinct_id": ANON, "$set": {"old": 1}, "$ignore_alias": True})
    apply(original, {"$distinct_id": "ann", "$set": {"a": 1}})
    link(original, ("identify", "ann", ANON, 1))
    apply(original, {"$distinct_id": ANON, "$set": {"twin": 1}, "$ignore_alias": True})
    apply(original, {"$distinct_id": ANON, "$delete": "", "$ignore_alias": True})

    assert current(original) == {ANON: None, "ann": {"a": 1, "old": 1}}


def test_under_simplified_identity_a_profile_belongs_to_the_id_as_sent(workspace):
    link(workspace, ("device", "$device:1", "ann", 1))
    apply(workspace, {"$distinct_id": "$device:1", "$set": {"a": 1}}, {"$distinct_id": "ann", "$set": {"b": 1}})

    assert current(workspace) == {"$device:1": {"a": 1}, "ann": {"b": 1}}


def test_what_would_break_a_limit_is_told_by_its_place_and_the_rest_goes_in(workspace):
    many = {f"p{n}": n for n in range(2000)}
    applied = apply(
        workspace,
        {"$distinct_id": "ann", "$set": many},
        {"$distinct_id": "ann", "$set": {"one more": 1}},
        {"$distinct_id": "bo", "$append": {"n": 1}},
    )

    assert applied.changed == 2
    assert applied.refused == ((1, "The profile would have more than 2,000 properties."),)
    assert current(workspace) == {"ann": many, "bo": {"n": [1]}}


def test_profiles_of_people_who_become_one_are_merged_and_the_canonical_one_wins(original):
    apply(original, {"$distinct_id": "old", "$set": {"a": "old", "b": "old", "$last_seen": "2026-01-02T00:00:00"}})
    apply(original, {"$distinct_id": "newer", "$set": {"b": "newer", "c": "newer"}})
    apply(original, {"$distinct_id": "ann", "$set": {"a": "ann", "$last_seen": "2026-01-01T00:00:00"}})
    merged = merge(original, {"old": "ann", "newer": "ann", "never": "ann"})

    assert merged == 2
    assert current(original) == {
        "old": None,
        "newer": None,
        "ann": {"a": "ann", "b": "newer", "c": "newer", "$last_seen": "2026-01-02T00:00:00"},
    }


def test_a_chain_of_moves_ends_at_its_last_id_and_a_profile_may_come_into_being_by_it(original):
    apply(original, {"$distinct_id": "a", "$set": {"x": 1}}, {"$distinct_id": "b", "$set": {"y": 2}})
    merge(original, {"a": "b", "b": "c"})

    assert current(original) == {"a": None, "b": None, "c": {"x": 1, "y": 2}}


def test_a_merge_adds_no_property_beyond_the_limit(original):
    apply(original, {"$distinct_id": "ann", "$set": {f"p{n}": n for n in range(1999)}})
    apply(original, {"$distinct_id": "old", "$set": {"first": 1, "second": 2}})
    merge(original, {"old": "ann"})

    assert current(original)["ann"].keys() - {f"p{n}" for n in range(1999)} == {"first"}


def test_profiles_are_as_they_were_known_at_an_instant(original):
    for hours, operation in enumerate(({"$set": {"plan": "free"}}, {"$set": {"plan": "pro"}}, {"$delete": ""})):
        apply(original, {"$distinct_id": "ann", **operation}, at=AT + timedelta(hours=hours))
        publish_profiles(original)

    def plans(hours):
        with original.reading() as reader:
            found = people_profiles(reader, original.project, known_at=AT + timedelta(hours=hours))
            rows = [row for batch in reader.batches(found.select("strings")) for row in batch.to_pylist()]
        return [dict(row["strings"])["plan"] for row in rows]

    assert [plans(hours) for hours in (-1, 0, 0.5, 1, 2)] == [[], ["free"], ["free"], ["pro"], []]


ids = st.sampled_from(["ann", "bo", "cy"])
properties = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 3), max_size=3)
record = st.one_of(
    st.tuples(ids, st.sampled_from(["$set", "$set_once", "$add", "$append", "$union", "$remove"]), properties),
    st.tuples(ids, st.just("$unset"), st.lists(st.sampled_from(["a", "b"]), max_size=2)),
    st.tuples(ids, st.just("$delete"), st.just("")),
)


@cache
def shared_workspace(folder):
    return make_workspace(folder / "home", identity="original")


def new_project(workspace):
    """A project of its own for each example: a hub of its own would take long to make."""
    with workspace.store.writing() as connection:
        count = len(connection.execute(select(projects.c.id)).all())
        values = {"name": f"p{count}", "timezone": "UTC", "identity": "original", "created_at": AT}
        made = connection.execute(insert(projects).values(**values)).inserted_primary_key[0]
    return Project(made, values["name"], "UTC", "original")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(record, max_size=12), st.sets(st.integers(0, 12)), st.dictionaries(ids, ids, max_size=3))
def test_however_updates_are_divided_profiles_are_the_same_and_merging_twice_is_merging_once(
    tmp_path_factory, records, cuts, moved
):
    workspace = shared_workspace(tmp_path_factory.getbasetemp())
    at_once, divided = new_project(workspace), new_project(workspace)
    updates = [{"$distinct_id": who, operator: given} for who, operator, given in records]
    apply(workspace, *updates, project=at_once)
    places = [0, *sorted(cut for cut in cuts if cut < len(updates)), len(updates)]
    for start, end in pairwise(places):
        apply(workspace, *updates[start:end], project=divided)
    before = current(workspace, at_once.id)
    # a profile that was made and deleted in one batch never had a row
    assert {key: each for key, each in current(workspace, divided.id).items() if each is not None} == {
        key: each for key, each in before.items() if each is not None
    }

    merge(workspace, moved, at_once.id)
    once = current(workspace, at_once.id)
    assert merge(workspace, moved, at_once.id) == 0
    assert current(workspace, at_once.id) == once
    assert {name for each in before.values() for name in each or ()} == {
        name for each in once.values() for name in each or ()
    }
