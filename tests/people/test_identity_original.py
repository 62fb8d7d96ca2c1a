"""Original ID merge: the rules of the reference, section 6, one test each."""

from __future__ import annotations

import pytest

from hub.people.identity import Link, explain_cluster
from hub.people.profile_publishing import publish_profiles
from tests.lake_rows import EventRow, add_events, make_workspace
from tests.people.telling import (
    alias,
    another_project,
    identify,
    learn,
    links,
    merge,
    people,
    published,
    tell,
    use,
    uuid,
)
from tests.people.test_views import NOW, _owners, _profiles

ANON, OTHER = uuid(1), uuid(2)


@pytest.fixture(scope="module")
def one_hub(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("original") / "home", identity="original")


@pytest.fixture
def hub(one_hub):
    """A project of its own for each test."""
    return another_project(one_hub)


def _cluster(workspace, one):
    with workspace.store.reading() as connection:
        return explain_cluster(connection, workspace.project, one)


def _failed(workspace, one):
    return [(each.event, each.reason) for each in _cluster(workspace, one).failed]


def test_identify_links_an_anonymous_id_with_the_identified_one_retroactively(hub):
    add_events(hub, [EventRow(ANON, "Opened before", NOW), EventRow("ann", "Log In", NOW)])

    assert identify(hub, "ann", ANON) == 1

    assert people(hub) == published(hub) == {ANON: "ann"}
    assert _owners(hub) == [(ANON, "ann"), ("ann", "ann")]


def test_identify_as_mixpanel_js_sends_it_names_the_anonymous_id_with_its_prefix(hub):
    sent = {"distinct_id": "ann", "$anon_distinct_id": f"$device:{ANON}", "$user_id": "ann", "$device_id": ANON}
    tell(hub, "$identify", **sent)

    assert people(hub) == {f"$device:{ANON}": "ann"}


@pytest.mark.parametrize("anonymous", [ANON, f"$device:{ANON}", ANON.upper()])
def test_the_anonymous_id_is_a_uuid_v4(hub, anonymous):
    identify(hub, "ann", anonymous)

    assert people(hub) == {anonymous: "ann"}


@pytest.mark.parametrize("anonymous", ["bob", ANON.replace("-4d2e", "-1d2e"), ANON.replace("-8f3a", "-7f3a"), ANON[1:]])
def test_an_anonymous_id_that_is_no_uuid_v4_links_nobody(hub, anonymous):
    identify(hub, "ann", anonymous)

    assert people(hub) == {}
    assert _failed(hub, "ann") == [("$identify", "the anonymous id is no UUID v4")]


def test_an_anonymous_id_that_is_linked_elsewhere_stays_there(hub):
    identify(hub, "ann", ANON, 1)
    identify(hub, "bob", ANON, 2)

    assert people(hub) == {ANON: "ann"}
    assert _failed(hub, "bob") == [("$identify", "the anonymous id is somebody's already")]


def test_somebody_identified_on_two_devices_is_one_person(hub):
    identify(hub, "ann", ANON, 1)
    identify(hub, "ann", OTHER, 2)

    assert people(hub) == {ANON: "ann", OTHER: "ann"}


def test_an_alias_maps_to_one_id_only(hub):
    alias(hub, "ann", "ann@x.no", 1)
    alias(hub, "bob", "ann@x.no", 2)

    assert people(hub) == {"ann@x.no": "ann"}
    assert _failed(hub, "bob") == [("$create_alias", "the alias is another id's already")]


def test_an_id_has_several_aliases_and_they_are_chained(hub):
    alias(hub, "old", "new", 1)
    alias(hub, "old", "newer", 2)
    alias(hub, "newer", "newest", 3)

    assert people(hub) == dict.fromkeys(["new", "newer", "newest"], "old")


def test_an_alias_as_mixpanel_js_makes_it_keeps_the_device_as_the_canonical_id(hub):
    device = f"$device:{ANON}"
    alias(hub, device, "ann", 1)
    tell(hub, "$identify", 2, distinct_id="ann", **{"$anon_distinct_id": device})

    assert people(hub) == {"ann": device}
    assert _failed(hub, "ann") == []


def test_merge_links_any_two_ids_and_nothing_undoes_it(hub):
    identify(hub, "ann", ANON, 1)
    identify(hub, "bob", OTHER, 2)
    merge(hub, "bob", "ann", time=3)

    assert people(hub) == dict.fromkeys([ANON, "bob", OTHER], "ann")
    merge(hub, "ann", "ann", time=4)
    identify(hub, "bob", uuid(3), 5)
    assert set(people(hub).values()) == {"ann"}


@pytest.mark.parametrize("ids", [["a"], ["a", "b", "c"], ["a", ""], ["a", {"b": 1}], []])
def test_a_merge_is_of_two_ids(hub, ids):
    assert links(hub, "$merge", **{"$distinct_ids": ids}) == []


def test_ids_that_are_numbers_are_their_digits(hub):
    tell(hub, "$identify", **{"$identified_id": 7, "$anon_id": ANON})
    alias(hub, "7", 8, 1)
    merge(hub, 9, "7", time=2)

    assert people(hub) == dict.fromkeys([ANON, "8", "9"], "7")


def test_a_person_has_500_ids_at_most_and_further_links_fail(hub):
    sent = [Link("identify", "ann", uuid(number), number) for number in range(600)]
    learn(hub, sent[:499])
    assert len(people(hub)) == 499, "500 with the canonical one"

    learn(hub, sent[499:])
    merge(hub, "ann", "bob", time=1000)

    assert len(people(hub)) == 499
    found = _cluster(hub, "ann")
    assert (len(found.ids), found.failures, len(found.failed)) == (500, 102, 20)
    assert {each.reason for each in found.failed} == {"one person would have more than 500 ids"}


def test_a_value_that_stands_for_nobody_links_nobody(hub):
    learn(hub, [Link("merge", "ann", "undefined", 1), Link("merge", "bob", "undefined", 2)])

    assert people(hub) == {}
    assert _failed(hub, "ann") == [("$merge", "one of the ids is a value that stands for nobody")]


def test_device_and_user_ids_link_nobody(hub):
    use(hub, "phone", "ann")

    assert people(hub) == {}


def test_the_canonical_id_is_one_that_was_identified_then_no_uuid_then_the_earliest_then_the_smallest(hub):
    merge(hub, uuid(3), uuid(4), time=5)
    assert people(hub) == {uuid(4): uuid(3)}, "both at once: the smallest"
    merge(hub, uuid(2), uuid(4), time=6)
    assert set(people(hub).values()) == {uuid(3)}, "the earliest"
    merge(hub, uuid(4), "zoe", time=7)
    assert set(people(hub).values()) == {"zoe"}, "no UUID"
    identify(hub, uuid(4), uuid(9), time=8)
    assert set(people(hub).values()) == {uuid(4)}, "identified"
    assert published(hub) == people(hub)


def test_a_late_identify_takes_an_anonymous_id_from_whoever_came_later(hub):
    identify(hub, "bob", ANON, 20)
    merge(hub, "bob", "b", time=21)
    assert people(hub) == {ANON: "bob", "b": "bob"}
    identify(hub, "ann", ANON, 10)

    assert people(hub) == published(hub) == {ANON: "ann", "bob": "b"}
    assert _failed(hub, "bob") == [("$identify", "the anonymous id is somebody's already")]


def test_a_late_link_lets_one_succeed_that_had_failed(hub):
    identify(hub, "bob", ANON, 20)
    identify(hub, "zoe", ANON, 30)
    alias(hub, "bob", "b", 15)
    assert people(hub) == {ANON: "bob", "b": "bob"}

    learn(hub, [Link("alias", "ann", "x", 1)], limit=2)
    learn(hub, [Link("identify", "bob", uuid(7), 2)], limit=2)  # bob is full before he can have the others

    assert people(hub) == {uuid(7): "bob", "x": "ann", ANON: "zoe"}


def test_the_profile_follows_when_people_become_one(hub):
    from hub.clock import now
    from hub.people.profile_state import apply_updates
    from hub.people.profile_update import update_of

    def put(distinct_id, **properties):
        update = update_of({"$distinct_id": distinct_id, "$set": properties, "$ignore_time": True})
        with hub.store.writing() as connection:
            apply_updates(connection, hub.project, [update], now())

    put(ANON, plan="pro", city="Oslo")
    identify(hub, "ann", ANON)
    put(ANON, city="Bergen")
    published(hub)
    publish_profiles(hub)

    assert _profiles(hub) == {"ann": {"plan": "pro", "city": "Bergen"}}


def test_the_page_of_a_person_tells_why_each_id_is_theirs(hub):
    identify(hub, "ann", ANON, 1)
    alias(hub, "ann", "ann@x.no", 2)
    merge(hub, "ann@x.no", "old", time=3)

    found = _cluster(hub, "old")

    assert [(each.id, each.why) for each in found.ids] == [
        ("ann", f"$identify: the anonymous id {ANON} is this one's"),
        (ANON, "$identify: it is ann's"),
        ("ann@x.no", "$create_alias: an alias of ann"),
        ("old", "$merge with ann@x.no"),
    ]
