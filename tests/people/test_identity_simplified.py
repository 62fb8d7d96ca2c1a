"""Simplified ID merge: the rules of the reference, section 6, one test each."""

from __future__ import annotations

import pytest

from hub.people.identity import explain_cluster
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace
from tests.people.telling import alias, another_project, identify, merge, people, published, tell, use, uuid
from tests.people.test_views import NOW, _owners, _profiles


@pytest.fixture(scope="module")
def one_hub(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("simplified") / "home", identity="simplified")


@pytest.fixture
def hub(one_hub):
    """A project of its own for each test."""
    return another_project(one_hub)


def _cluster(workspace, one):
    with workspace.store.reading() as connection:
        return explain_cluster(connection, workspace.project, one)


def test_the_first_event_that_holds_both_merges_the_device_with_the_user_retroactively(hub):
    add_events(hub, [EventRow("$device:phone", "Opened before", NOW), EventRow("ann", "Log In", NOW)])
    tell(hub, "Opened before", 1, **{"$device_id": "phone"})

    assert use(hub, "phone", "ann", 10) == 1

    assert people(hub) == published(hub) == {"$device:phone": "ann"}
    assert _owners(hub) == [("$device:phone", "ann"), ("ann", "ann")]


def test_an_event_with_only_one_of_both_links_nobody(hub):
    tell(hub, "Open", **{"$device_id": "phone"})
    tell(hub, "Open", **{"$user_id": "ann"})
    tell(hub, "Open", distinct_id="bob")

    assert people(hub) == published(hub) == {}


def test_two_user_ids_never_merge(hub):
    use(hub, "phone", "ann", 1)
    use(hub, "phone", "bob", 2)
    use(hub, "tablet", "bob", 3)
    use(hub, "tablet", "ann", 4)

    assert people(hub) == {"$device:phone": "ann", "$device:tablet": "bob"}


def test_a_shared_device_stays_the_first_users_and_reset_makes_a_new_one(hub):
    use(hub, "kiosk", "ann", 1)
    use(hub, "kiosk", "bob", 2)
    use(hub, "after-reset", "bob", 3)

    assert people(hub) == {"$device:kiosk": "ann", "$device:after-reset": "bob"}


def test_a_user_has_any_number_of_devices(hub):
    for number in range(3):
        tell(hub, "Open", number, **{"$device_id": f"d{number}", "$user_id": "ann"})
    with hub.store.writing() as connection:
        from hub.clock import now
        from hub.people.identity import Link, apply_links

        many = [Link("device", f"$device:m{number}", "ann", number) for number in range(600)]
        assert apply_links(connection, hub.project, many, now()) == 600

    assert len(people(hub)) == 603


def test_identify_create_alias_and_merge_have_no_effect(hub):
    identify(hub, "ann", uuid(1))
    alias(hub, "ann", "bob")
    merge(hub, "ann", "zoe")

    assert people(hub) == {}


def test_what_was_set_on_the_profile_of_a_device_is_not_carried_over_at_the_merge(hub):
    add_profiles(hub, [ProfileRow("$device:phone", {"plan": "pro"})])
    use(hub, "phone", "ann")
    published(hub)

    assert _profiles(hub) == {}


def test_first_is_by_the_time_of_the_event_whatever_the_order_of_arrival(hub):
    use(hub, "phone", "bob", 20)
    assert people(hub) == {"$device:phone": "bob"}

    assert use(hub, "phone", "ann", 10) == 1, "a late event moves the device"

    assert people(hub) == published(hub) == {"$device:phone": "ann"}
    assert use(hub, "phone", "bob", 15) == 0
    assert people(hub) == {"$device:phone": "ann"}
    assert use(hub, "phone", "bob", 5) == 1
    assert people(hub) == published(hub) == {"$device:phone": "bob"}


def test_of_two_users_at_the_same_instant_the_smaller_id_is_the_first(hub):
    use(hub, "phone", "bob", 10)
    use(hub, "phone", "ann", 10)

    assert people(hub) == {"$device:phone": "ann"}


def test_a_user_id_in_the_form_of_a_device_is_no_user(hub):
    use(hub, "phone", "$device:tablet")

    assert people(hub) == {}


def test_the_page_of_a_person_tells_the_devices_and_who_used_them_too(hub):
    use(hub, "phone", "bob", 20)
    use(hub, "phone", "ann", 10)
    use(hub, "tablet", "ann", 30)

    found = _cluster(hub, "$device:tablet")

    assert [each.id for each in found.ids] == ["ann", "$device:phone", "$device:tablet"]
    assert found.ids[1].why == "ann was the first user on this device"
    assert [(each.one, each.other, each.reason) for each in found.failed] == [
        ("$device:phone", "bob", "somebody else used the device before")
    ]
    assert _cluster(hub, "stranger").ids[0].why == "the user's own id"
