"""All that is known of somebody, and how the command shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from rich.cells import cell_len

from hub.cli.values import harmless, property_lines, shortened
from hub.errors import InputError, NotFound
from hub.people.identity import Link, apply_links
from hub.people.person import find_person
from hub.people.profile_publishing import publish_profiles
from hub.people.profile_state import apply_updates
from hub.people.profile_update import update_of
from tests.lake_rows import EventRow, add_events, make_workspace

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANON = "4b6f1c1e-3f0a-4c9e-8d6b-1a2b3c4d5e6f"
DEVICE = f"$device:{ANON}"


def know(workspace, *links, **profiles):
    """Apply links, and set properties of profiles."""
    updates = [update_of({"$distinct_id": who, "$set": given}) for who, given in profiles.items()]
    with workspace.store.writing() as connection:
        apply_links(connection, workspace.project, [Link(*each) for each in links], NOW)
        apply_updates(connection, workspace.project, updates, NOW)
    publish_profiles(workspace)


def hours(number):
    return NOW + timedelta(hours=number)


def test_a_person_has_the_events_of_all_their_ids_and_nobody_elses(workspace):
    know(workspace, ("device", DEVICE, "ann", 5), ann={"$email": "Ann@x.no"})
    add_events(
        workspace,
        [
            EventRow(DEVICE, "Visit", hours(-3)),
            EventRow("ann", "Buy", hours(-1), {"amount": 30}),
            EventRow("bo", "Buy", hours(0)),
            EventRow("$match:$email:ann@x.no", "Opened", hours(-2), source="mailchimp"),
            EventRow("$match:$email:bo@x.no", "Opened", hours(-2), source="mailchimp"),
        ],
    )
    person = find_person(workspace, DEVICE, events=2)

    assert person.cluster.person == "ann"
    assert [one.id for one in person.cluster.ids] == ["ann", DEVICE]
    assert (person.events, person.first_seen, person.last_seen) == (3, hours(-3), hours(-1))
    assert {key: each.events for key, each in person.activity.items()} == {
        "ann": 1,
        DEVICE: 1,
        "$match:$email:ann@x.no": 1,
    }
    assert [(each.event, each.source) for each in person.last_events] == [("Buy", None), ("Opened", "mailchimp")]
    assert person.last_events[0].properties == {"amount": 30}
    assert person.profile.properties == {"$email": "Ann@x.no"}
    assert find_person(workspace, "$match:$email:ann@x.no", events=2) == person
    assert find_person(workspace, " ANN@x.no", by_email=True, events=2) == person


def test_message_events_for_an_address_that_somebody_else_has_too_are_theirs_whose_id_is_smaller(workspace):
    know(workspace, ann={"code": 42}, bo={"code": 42})
    add_events(workspace, [EventRow("$match:code:42", "Opened", NOW, source="braze")])

    assert find_person(workspace, "ann").events == 1
    assert find_person(workspace, "bo").events == 0


def test_the_profile_of_a_device_is_not_its_users(workspace):
    know(workspace, ("device", DEVICE, "ann", 5), **{DEVICE: {"a": 1}})

    assert find_person(workspace, "ann").profile is None


def test_under_original_identity_somebody_without_a_profile_of_the_canonical_id_has_that_of_another(tmp_path):
    workspace = make_workspace(tmp_path / "home", identity="original")
    know(workspace, ("identify", "ann", ANON, 1))
    exactly = update_of({"$distinct_id": ANON, "$set": {"a": 1}, "$ignore_alias": True})
    with workspace.store.writing() as connection:
        apply_updates(connection, workspace.project, [exactly], NOW)

    assert find_person(workspace, "ann").profile.properties == {"a": 1}


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("Ann", "Did you mean 'ann'?"),
        (" ann", "Did you mean 'ann'?"),
        (ANON, f"Did you mean '{DEVICE}'?"),
        ("a@x.no", "For the $email of a profile, add `--by email`."),
        ("zoe", "Ids are taken letter for letter."),
    ],
)
def test_nobody_is_told_with_the_nearest_thing_to_do(workspace, asked, hint):
    know(workspace, ("device", DEVICE, "ann", 5), ann={"a": 1})
    with pytest.raises(NotFound, match="Nobody is known by the id") as caught:
        find_person(workspace, asked)

    assert caught.value.hint.startswith(hint)


def test_an_address_of_nobody_or_of_several_people_finds_nobody(workspace):
    know(workspace, ann={"$email": "us@x.no"}, bo={"$email": "US@x.no"})

    with pytest.raises(NotFound, match=r"No profile has the \$email 'you@x\.no'"):
        find_person(workspace, "you@x.no", by_email=True)
    with pytest.raises(InputError, match=r"'us@x\.no': 'ann', 'bo'"):
        find_person(workspace, "us@x.no", by_email=True)


def test_the_command_shows_a_person_in_80_columns_and_keeps_the_terminal_from_harm(workspace, cli):
    know(
        workspace,
        ("device", DEVICE, "ann", 5),
        ("device", DEVICE, "bo", 6),
        ann={"$email": "ann@x.no", "evil": "\x1b[2J\u202e", "long": "x" * 200, "wide": "日本語" * 40},
    )
    events = [
        EventRow("ann", f"Event {n}\x07", hours(-n), {"$browser": "Firefox", "note": "\x9b31m" * 50}) for n in range(30)
    ]
    add_events(workspace, [*events, EventRow(DEVICE, "Visit", hours(-40), source="web")])
    shown = cli("person", "show", "ann", "--events", "3")
    told = orjson.loads(cli("person", "show", "ann", "--json", "--events", "1").stdout)

    assert shown.returncode == 0
    assert all(line.isprintable() and cell_len(line) <= 80 for line in shown.stdout.splitlines())
    assert "  31 events, the first 2026-11-21 20:00 UTC, the last 2026-11-23 12:00 UTC." in shown.stdout
    assert "ann was the first user on this device" in shown.stdout
    assert "1 link that failed" in shown.stdout
    assert "The last 3 of 31 events" in shown.stdout
    assert "note=" in shown.stdout  # what SDKs add to every event comes last
    assert "$browser" not in shown.stdout
    assert told["profile"]["evil"] == "\x1b[2J\u202e"
    assert told["ids"][1]["events"] == 1
    assert told["failed_links"][0]["reason"] == "somebody else used the device before"
    assert told["last_events"][0]["event"] == "Event 0\x07"


def test_the_commands_show_a_profile_and_its_history(hub, cli, tmp_path):
    for number, record in enumerate(
        (
            {"$distinct_id": "ann", "$set": {"plan": "free", "gone": 1, "$last_seen": "2026-01-01T00:00:00"}},
            {"$distinct_id": "ann", "$set": {"$last_seen": "2026-01-02T00:00:00"}},
            {"$distinct_id": "ann", "$set": {"plan": "pro"}, "$unset": ["gone"]},
        )
    ):
        path = tmp_path / str(number)
        path.write_bytes(orjson.dumps(record))
        hub.profiles.import_file(path)
    shown = cli("profile", "show", "ann")
    path.write_bytes(b'{"$distinct_id": "ann", "$delete": ""}')
    hub.profiles.import_file(path)
    history = cli("profile", "history", "ann")
    changes = [orjson.loads(line) for line in cli("profile", "history", "ann", "--json").stdout.splitlines()]

    assert shown.stdout.splitlines()[1:] == ["  $last_seen  2026-01-02T00:00:00", "  plan        pro"]
    assert [line for line in history.stdout.splitlines() if line.startswith("  ")] == [
        "  + $last_seen  2026-01-01T00:00:00",
        "  + gone        1",
        "  + plan        free",
        "  ~ plan  free -> pro",
        "  - gone  1",
        "  - $last_seen  2026-01-02T00:00:00",
        "  - plan        pro",
    ]
    assert history.stderr == "1 more change only moved $last_seen.\n"
    assert [change["changed"] for change in changes] == [
        {},
        {"$last_seen": {"from": "2026-01-01T00:00:00", "to": "2026-01-02T00:00:00"}},
        {"plan": {"from": "free", "to": "pro"}},
        {},
    ]
    assert changes[3]["deleted"] is True
    with pytest.raises(NotFound, match="There is no profile of 'ann'"):
        hub.profiles.get("ann")
    with pytest.raises(NotFound, match="There never was a profile of 'bo'"):
        next(hub.profiles.history("bo"))


def test_values_are_harmless_and_cut_by_cells():
    assert harmless("a\tb\x1b[0m\u200b") == "a\\tb\\x1b[0m\\u200b"
    assert shortened("日本語", 5) == "日本…"
    assert shortened("short", 5) == "short"
    assert [*property_lines({"b": [1], "a": "x" * 100}, most=1)] == ["  a  " + "x" * 74 + "…", "  … and 1 more"]
