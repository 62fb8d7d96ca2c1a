"""Who a row belongs to: ids, links, the pseudo ids of message events, and the newest profile."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.lake.tables import PROFILES
from hub.people.views import links, people_events, people_profiles
from tests.lake_rows import EventRow, ProfileRow, add_events, add_identity, add_profiles, make_workspace

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path):
    return make_workspace(tmp_path / "home")


@pytest.fixture
def original(tmp_path):
    return make_workspace(tmp_path / "original", identity="original")


def _opened(value: str, *, source: str | None = "mailchimp", name: str = "$email") -> EventRow:
    return EventRow(f"$match:{name}:{value}", "Opened", NOW, source=source)


def _owners(workspace, **more) -> list[tuple[str, str]]:
    with workspace.reading() as reader:
        events = people_events(reader, workspace.project, **more).select("distinct_id", "person")
        return sorted(
            (row["distinct_id"], row["person"]) for batch in reader.batches(events) for row in batch.to_pylist()
        )


def _profiles(workspace) -> dict[str, dict[str, str]]:
    with workspace.reading() as reader:
        rows = [
            row
            for batch in reader.batches(people_profiles(reader, workspace.project).select("person", "strings"))
            for row in batch.to_pylist()
        ]
    assert len({row["person"] for row in rows}) == len(rows)
    return {row["person"]: dict(row["strings"]) for row in rows}


def test_without_links_everybody_is_themselves(lake):
    add_events(lake, [EventRow("ann", "A", NOW), EventRow("$device:1", "A", NOW)])
    assert _owners(lake) == [("$device:1", "$device:1"), ("ann", "ann")]


def test_an_event_without_an_id_belongs_to_nobody(lake):
    add_events(lake, [EventRow("", "A", NOW)])
    assert _owners(lake) == []


def test_an_id_belongs_to_the_person_of_its_current_link(lake):
    add_events(lake, [EventRow("$device:1", "A", NOW), EventRow("$device:2", "A", NOW), EventRow("ann", "A", NOW)])
    add_identity(lake, {"$device:1": "ann"})
    add_identity(lake, {"$device:2": "bob"}, known_to=NOW)
    assert _owners(lake) == [("$device:1", "ann"), ("$device:2", "$device:2"), ("ann", "ann")]


def test_the_row_of_an_interval_that_has_ended_stands_in_the_place_of_the_open_one(lake):
    add_events(lake, [EventRow("$device:1", "A", NOW), EventRow("$device:2", "A", NOW)])
    add_identity(lake, {"$device:1": "ann", "$device:2": "ann"})
    add_identity(lake, {"$device:2": "ann"}, known_to=NOW)
    assert _owners(lake) == [("$device:1", "ann"), ("$device:2", "$device:2")]
    assert dict(_owners(lake, known_at=OCTOBER))["$device:2"] == "ann"
    assert dict(_owners(lake, known_at=NOW))["$device:2"] == "$device:2"


def test_a_message_event_belongs_to_the_person_with_that_address(lake):
    add_events(lake, [_opened("ann@x.no"), _opened("nobody@x.no")])
    add_profiles(lake, [ProfileRow("ann", {"$email": "  Ann@X.no "})])
    assert _owners(lake) == [
        ("$match:$email:ann@x.no", "ann"),
        ("$match:$email:nobody@x.no", "$match:$email:nobody@x.no"),
    ]


def test_a_message_event_becomes_somebodys_when_they_become_known(lake):
    add_events(lake, [_opened("ann@x.no")])
    assert _owners(lake) == [("$match:$email:ann@x.no", "$match:$email:ann@x.no")]
    add_profiles(lake, [ProfileRow("ann", {"$email": "ann@x.no"})])
    assert _owners(lake) == [("$match:$email:ann@x.no", "ann")]


def test_an_address_that_two_share_belongs_to_the_smallest_id_and_counts_once(lake):
    add_events(lake, [_opened("shared@x.no")])
    add_profiles(lake, [ProfileRow(name, {"$email": "shared@x.no"}) for name in ("zoe", "ann", "bob")])
    assert _owners(lake) == [("$match:$email:shared@x.no", "ann")]


def test_an_address_that_somebody_had_earlier_is_not_theirs_any_more(lake):
    add_events(lake, [_opened("old@x.no"), _opened("gone@x.no")])
    add_profiles(
        lake, [ProfileRow("ann", {"$email": "old@x.no"}, seq=1), ProfileRow("ann", {"$email": "new@x.no"}, seq=2)]
    )
    add_profiles(lake, [ProfileRow("bob", {"$email": "gone@x.no"}, seq=3), ProfileRow("bob", {}, seq=4, deleted=True)])
    assert [person for _, person in _owners(lake)] == ["$match:$email:gone@x.no", "$match:$email:old@x.no"]


def test_other_properties_match_exactly_numbers_by_their_digits_and_values_may_have_colons(lake):
    add_events(
        lake,
        [
            _opened("A:1", name="ref"),
            _opened("a:1", name="ref"),
            _opened("42", name="code"),
            _opened("u1", name="distinct_id"),
        ],
    )
    add_profiles(lake, [ProfileRow("ann", {"ref": "A:1"}), ProfileRow("bob", {"code": 42})])
    assert dict(_owners(lake)) == {
        "$match:ref:A:1": "ann",
        "$match:ref:a:1": "$match:ref:a:1",
        "$match:code:42": "bob",
        "$match:distinct_id:u1": "u1",
    }


def test_the_owner_of_an_address_is_followed_through_the_identity_map(original):
    add_events(original, [_opened("ann@x.no"), _opened("dev", name="distinct_id")])
    add_profiles(original, [ProfileRow("alias", {"$email": "ann@x.no"})])
    add_identity(original, {"alias": "ann", "dev": "ann"})
    assert {person for _, person in _owners(original)} == {"ann"}


def test_an_address_set_on_a_device_is_not_its_users(lake):
    add_events(lake, [_opened("ann@x.no")])
    add_profiles(lake, [ProfileRow("$device:1", {"$email": "ann@x.no"})])
    assert [person for _, person in _owners(lake)] == ["$device:1"]
    add_identity(lake, {"$device:1": "ann"})
    assert [person for _, person in _owners(lake)] == ["$match:$email:ann@x.no"]


def test_without_message_events_there_is_no_link_table(lake):
    add_events(lake, [EventRow("ann", "A", NOW, source="import")])
    with lake.reading() as reader:
        assert links(reader, lake.project) is None


def test_months_read_only_their_partitions(lake):
    add_events(lake, [EventRow("oct", "A", OCTOBER), EventRow("nov", "A", NOW)])
    assert _owners(lake, months=["2026-10"]) == [("oct", "oct")]
    assert _owners(lake, months=["2026-10", "2026-11", "2026-12"]) == [("nov", "nov"), ("oct", "oct")]
    assert _owners(lake, months=["2025-01"]) == []


def test_the_newest_profile_counts_and_a_deleted_one_is_gone(lake):
    add_profiles(lake, [ProfileRow("ann", {"plan": "b"}, seq=5), ProfileRow("bob", {"plan": "a"}, seq=6)])
    add_profiles(lake, [ProfileRow("ann", {"plan": "a"}, seq=4), ProfileRow("bob", {}, seq=7, deleted=True)])
    assert _profiles(lake) == {"ann": {"plan": "b"}}


def test_a_person_with_several_ids_has_the_profile_of_the_canonical_one(original):
    add_profiles(original, [ProfileRow("ann", {"plan": "own"}, seq=1), ProfileRow("alias", {"plan": "alias"}, seq=2)])
    add_profiles(original, [ProfileRow("x", {"plan": "older"}, seq=3), ProfileRow("y", {"plan": "newer"}, seq=4)])
    add_identity(original, {"alias": "ann", "x": "bob", "y": "bob"})
    assert _profiles(original) == {"ann": {"plan": "own"}, "bob": {"plan": "newer"}}


def test_under_simplified_identity_the_profile_of_a_device_is_not_carried_over_to_its_user(lake):
    add_profiles(lake, [ProfileRow("$device:1", {"plan": "device"}, seq=1)])
    assert _profiles(lake) == {"$device:1": {"plan": "device"}}
    add_identity(lake, {"$device:1": "ann"})
    assert _profiles(lake) == {}
    add_profiles(lake, [ProfileRow("ann", {"plan": "own"}, seq=2)])
    assert _profiles(lake) == {"ann": {"plan": "own"}}


def test_a_profile_that_changes_during_a_query_does_not_drop_out_of_it(lake):
    add_profiles(lake, [ProfileRow("ann", {"plan": "a"}, seq=1)])
    with lake.reading() as reader:
        reader.table(PROFILES)
        add_profiles(lake, [ProfileRow("ann", {"plan": "b"}, seq=2)])
        found = people_profiles(reader, lake.project).select("person", "strings")
        rows = [row for batch in reader.batches(found) for row in batch.to_pylist()]
    assert [(row["person"], dict(row["strings"])) for row in rows] == [("ann", {"plan": "a"})]
    assert _profiles(lake) == {"ann": {"plan": "b"}}
