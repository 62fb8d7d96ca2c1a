"""The connectors' rules, one sentence each, against the sandbox over HTTP."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest

from hub import Audience, CredentialRefused, MappingWrong, Member, Page, SettingsWrong, Wait
from hub.testing.sandbox import Running
from hub_braze.attributes import attribute_name
from hub_braze.cohorts import BrazeCohorts
from hub_braze.connector import Braze
from hub_braze.sandbox import REST_KEY

EXTERNAL, ALIAS, EMAIL, DEVICE = "$braze_external_id", "$braze_alias", "$email", "$braze_device_id"
PEOPLE = [
    {"external_id": "ann", "email": "ann@example.com", "attributes": {"plan": "free"}},
    {"external_id": "bob", "email": "bob@example.com", "aliases": [{"label": "crm", "name": "B-1"}]},
    {"email": "cem@example.com", "devices": ["6A1B5C0E"]},
]


@pytest.fixture
def people(workspace: Running) -> Running:
    workspace.admin.post("/users", {"users": PEOPLE})
    return workspace


def known(partner: Running, email: str) -> dict[str, Any] | None:
    return next((user["attributes"] for user in partner.admin.get("/users")["users"] if user["email"] == email), None)


def sent(partner: Running) -> list[dict[str, Any]]:
    """The objects of every call to /users/track, in order."""
    digests = [
        request["digest"] for request in partner.admin.requests(writing=True) if request["path"] == "/users/track"
    ]
    return [each for digest in digests for each in partner.admin.get(f"/bodies/{digest}")["attributes"]]


def points(partner: Running) -> int:
    partner.admin.post("/process")
    return int(partner.admin.state()["partner"]["data_points"])


async def test_known_people_get_the_attribute_by_whatever_key_they_have_and_nobody_is_made(people, connections):
    connector = connections.open(alias_label="crm")
    audience = await connector.open_audience("hub: Power users!")
    outcome = await connector.add(
        audience,
        [
            Member("ann", {"plan": "pro", "visits": 3.0, "tags": ["a"]}, EXTERNAL),
            Member("B-1", match=ALIAS),
            Member("cem@example.com", {"email": "elsewhere@example.com"}, EMAIL),
            Member("stranger", match=EXTERNAL),
            Member("stranger@example.com", match=EMAIL),
        ],
    )

    assert (audience.name, outcome.refused) == ("hub_power_users", [])
    assert known(people, "ann@example.com") == {"plan": "pro", "visits": 3, "tags": ["a"], "hub_power_users": True}
    assert known(people, "bob@example.com") == {"hub_power_users": True}
    assert known(people, "cem@example.com") == {"hub_power_users": True}
    assert len(people.admin.get("/users")["users"]) == 3
    assert [each["_update_existing_only"] for each in sent(people)] == [True] * 5


async def test_who_is_unknown_is_made_only_if_the_operator_chose_so_and_never_to_say_that_he_left(people, connections):
    connector = connections.open(create_users=True, alias_label="crm")
    audience = await connector.open_audience("vips")
    await connector.add(audience, [Member("new", {"email": "new@example.com"}, EXTERNAL), Member("A-9", match=ALIAS)])
    await connector.remove(audience, [Member("ann", match=EXTERNAL), Member("gone", match=EXTERNAL)])

    users = {user["external_id"]: user for user in people.admin.get("/users")["users"]}
    assert users["new"]["attributes"] == {"vips": True}
    assert users["new"]["email"] == "new@example.com"
    assert users["ann"]["attributes"] == {"plan": "free", "vips": False}
    assert "gone" not in users
    assert len(users) == 4  # cem and the new alias have no external id


async def test_of_members_who_are_in_already_only_what_changed_is_written_and_none_empties(people, connections):
    connector = connections.open()
    audience = await connector.open_audience("vips")
    await connector.add_page(audience, [Member("ann", {"plan": "pro"}, EXTERNAL)], Page("1"))
    before = points(people)
    await connector.add_page(audience, [Member("ann", {"plan": None}, EXTERNAL)], Page("2", updates=True))

    assert points(people) - before == 1
    assert sent(people)[-1] == {"external_id": "ann", "_update_existing_only": True, "plan": None}
    assert known(people, "ann@example.com") == {"vips": True}


async def test_one_refused_object_fails_nobody_else_and_nobody_is_sent_twice(people, connections):
    connector = connections.open()
    audience = await connector.open_audience("vips")
    batch = [Member("ann", match=EXTERNAL), Member("nil", match=EXTERNAL), Member("undefined", match=EXTERNAL),
             Member("x" * 988, match=EXTERNAL), Member("bob", match=EXTERNAL)]  # fmt: skip

    refused = {refusal.key: refusal for refusal in (await connector.add(audience, batch)).refused}

    assert set(refused) == {"nil", "undefined", "x" * 988}
    assert refused["nil"].code == "blacklisted"
    assert "blacklisted and disallowed" in refused["nil"].reason
    assert all(refusal.retry_after is None for refusal in refused.values())
    assert [each["external_id"] for each in sent(people)] == ["ann", "nil", "bob"]  # the other two never left
    updated = await connector.add_page(
        audience, [Member("nil", {"a": 1.0}, EXTERNAL), batch[0]], Page("2", updates=True)
    )
    assert [(each.key, each.in_audience) for each in updated.refused] == [("nil", True)]
    assert [one.key for one in (await connector.remove(audience, [batch[2]])).refused] == ["undefined"]


async def test_what_was_accepted_is_applied_later(people, connections):
    people.admin.post("/lag", {"seconds": 3600})
    connector = connections.open()
    await connector.add(await connector.open_audience("vips"), [Member("ann", match=EXTERNAL)])

    assert known(people, "ann@example.com") == {"plan": "free"}
    assert people.admin.post("/process") == {"applied": 1}
    assert known(people, "ann@example.com") == {"plan": "free", "vips": True}


async def test_a_full_window_is_left_alone_until_it_ends(people, connections):
    people.admin.post("/limits", {"path": "/users/track", "limit": 1, "seconds": 30})
    connector = connections.open()
    audience = await connector.open_audience("vips")
    with pytest.raises(Wait) as raised:
        for _ in range(3):  # the clock may pass into a new window once
            await connector.add(audience, [Member("ann", match=EXTERNAL)])

    assert raised.value.seconds is not None
    assert abs(raised.value.seconds - (30 - time.time() % 30)) <= 2


async def test_the_check_tells_the_key_the_permission_and_the_connection_apart(workspace, connections):
    workspace.admin.post("/keys", {"key": "only-writes", "permissions": ["users.track"]})
    workspace.admin.post("/keys", {"key": "only-reads", "permissions": ["segments.list"]})

    good = await connections.open().check()
    assert (good.warning, good.label) == ("", workspace.url.partition("://")[2])
    one_workspace, another = await connections.open(workspace="EU").check(), await connections.open().check()
    assert one_workspace.id != another.id

    lacking = await connections.open(api_key="only-writes").check()
    assert "email.unsubscribe and email.hard_bounces" in lacking.warning
    assert (await connections.open(api_key="only-writes", currents_tokens="t" * 16).check()).warning == ""
    with pytest.raises(CredentialRefused, match="401") as refused:
        await connections.open(api_key="0000-bad").check()
    assert "0000-bad" not in str(refused.value)

    reader = connections.open(api_key="only-reads")
    audience = await reader.open_audience("vips")
    with pytest.raises(CredentialRefused, match=r"valid, and lacks the permission users\.track"):
        await reader.add(audience, [Member("ann", match=EXTERNAL)])


@pytest.mark.parametrize(
    "target",
    [
        "_update_existing_only",
        "external_id",
        "user_alias",
        "email_subscribe",
        "subscription_groups",
        "$email",
        "_x",
        "",
        "x" * 256,
    ],
)
async def test_ids_consent_and_impossible_names_are_no_targets(connections, target):
    connector = connections.open()
    await connector.check_mapping(["plan", "first_name", "email"])
    with pytest.raises(MappingWrong, match="no attribute"):
        await connector.check_mapping(["plan", target])


def test_an_attribute_is_named_as_braze_takes_names_and_no_standard_field_is_taken():
    assert attribute_name("hub: Power users") == Braze.audience_key("Hub - power USERS") == "hub_power_users"
    assert attribute_name("Zoë's café") == "zoe_s_cafe"
    assert attribute_name("email") == "cohort_email"
    assert attribute_name("7 days") == "cohort_7_days"
    assert attribute_name("常連") != attribute_name("新規")
    long = [attribute_name("x" * 300 + end) for end in "ab"]
    assert len(set(long)) == 2 and {len(name) for name in long} == {255}


async def test_an_alias_without_its_label_is_a_setting_that_is_missing(people, connections):
    connector = connections.open()
    with pytest.raises(SettingsWrong, match="label"):
        await connector.add(Audience({"attribute": "a"}, "a"), [Member("B-1", match=ALIAS)])


async def test_a_cohort_is_imported_by_name_with_three_kinds_of_ids(people, connections):
    connector = connections.open_cohorts(alias_label="crm")
    audience = await connector.open_audience("Trial users, day 7")
    members = [Member("ann", match=EXTERNAL), Member("B-1", match=ALIAS), Member("6A1B5C0E", match=DEVICE),
               Member("stranger", match=EXTERNAL), Member("null", match=EXTERNAL)]  # fmt: skip
    outcome = await connector.add(audience, members)

    cohort = f"/cohorts/{audience.ref['cohort']}/members"
    assert [refusal.key for refusal in outcome.refused] == ["null"]
    assert [user["email"] for user in people.admin.get(cohort)["members"]] == [user["email"] for user in PEOPLE]
    await connector.remove(audience, members[:1])
    assert [user["external_id"] for user in people.admin.get(cohort)["members"]] == ["bob", None]
    assert (await connector.open_audience("Trial users, day 7")).ref == audience.ref
    assert [row["name"] for row in people.admin.get("/cohorts")["cohorts"]] == ["Trial users, day 7"]
    with pytest.raises(MappingWrong, match="takes no values: plan"):
        await connector.check_mapping(["plan"])


async def test_a_cohort_that_is_being_written_asks_for_a_pause(people, connections):
    connector = connections.open_cohorts()
    audience = await connector.open_audience("vips")
    calls = [connector.add(audience, [Member("ann", match=EXTERNAL)]) for _ in range(2)]
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(each) for each in results if isinstance(each, Exception)] == [Wait]
    assert BrazeCohorts.limits.concurrency == 1


async def test_keys_of_the_partner_are_refused_in_brazes_words_and_never_told(connections):
    for wrong in ({"partner_api_key": "pk-wrong-0"}, {"client_secret": "cs-wrong-0"}):
        with pytest.raises(CredentialRefused, match="Invalid") as refused:
            await connections.open_cohorts(**wrong).check()
        assert "wrong-0" not in str(refused.value)
    with pytest.raises(SettingsWrong):
        await connections.open_cohorts(partner="somebody").check()


async def test_unsubscribes_and_bounces_are_polled_from_a_day_before_where_it_stopped(workspace, connections):
    connector = connections.open()
    workspace.admin.post("/addresses", {"list": "unsubscribes", "emails": ["Ann@example.com"]})
    workspace.admin.post("/addresses", {"list": "hard_bounces", "emails": ["bob@example.com"]})
    first = [page async for page in connector.pull({})]
    workspace.admin.post("/addresses", {"list": "unsubscribes", "emails": ["cem@example.com"]})
    second = [page async for page in connector.pull(first[-1][1])]

    told = [(event.kind, event.match) for events, _ in first for event in events]
    assert told == [
        ("users.messages.email.Unsubscribe", ("$email", "ann@example.com")),
        ("users.messages.email.Bounce", ("$email", "bob@example.com")),
    ]
    ids = [{event.id for events, _ in pages for event in events} for pages in (first, second)]
    assert ids[0] < ids[1] and len(ids[1]) == 3
    assert orjson.loads(orjson.dumps(second[-1][1])) == second[-1][1]

    workspace.admin.post("/keys", {"key": REST_KEY, "permissions": ["users.track", "email.hard_bounces"]})
    with pytest.raises(Exception, match=r"lacks the permission email\.unsubscribe") as told_last:
        async for page in connector.pull({}):
            first = [page]
    assert not isinstance(told_last.value, CredentialRefused)  # syncs go on
    assert first[0][1]["until"].keys() == {"/email/hard_bounces"}
