"""The connector's rules, one sentence each, against the sandbox over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub import (
    Ability,
    Audience,
    AudienceGone,
    CredentialRefused,
    MappingWrong,
    Member,
    PartnerClient,
    PartnerError,
    PartnerUnavailable,
    SettingsWrong,
    Wait,
)
from hub.connectors.addresses import AddressGuard
from hub.testing.sandbox import Running, running
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.sandbox import API_KEY, FIRST_LIST, MailchimpSandbox
from hub_mailchimp.settings import MailchimpSettings

TAG = "hub: Power users"


@pytest.fixture(scope="module")
def mailchimp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("mailchimp")
    with running(MailchimpSandbox(home, keep_bodies=True, stats_lag=0)) as partner:
        yield partner


@pytest.fixture
def partner(mailchimp: Running) -> Running:
    mailchimp.admin.reset()
    mailchimp.admin.clear_faults()
    mailchimp.admin.forget_requests()
    return mailchimp


class Connections:
    """Makes connectors for the sandbox, and closes their clients."""

    def __init__(self, partner: Running) -> None:
        self._partner = partner
        self._clients: list[PartnerClient] = []

    def open(self, **settings: Any) -> Mailchimp:
        chosen = MailchimpSettings.model_validate({**self._partner.settings, "audience": FIRST_LIST, **settings})
        client = PartnerClient(
            Mailchimp.base_url(chosen),
            guard=AddressGuard(allow_private=True),
            timeout=timedelta(seconds=10),
            read_attempts=1,
        )
        self._clients.append(client)
        return Mailchimp(chosen, client)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture
async def connections(partner: Running) -> AsyncIterator[Connections]:
    made = Connections(partner)
    yield made
    await made.close()


def put(partner: Running, **statuses: str) -> None:
    partner.admin.post(
        "/contacts",
        {"contacts": [{"email": f"{name}@example.com", "status": status} for name, status in statuses.items()]},
    )


def contact(partner: Running, name: str) -> dict[str, Any] | None:
    found = partner.admin.get("/contacts", email=f"{name}@example.com")["contacts"]
    return found[0] if found else None


def tagged(partner: Running, tag: str = TAG) -> list[str]:
    return [email.partition("@")[0] for email in partner.admin.get(f"/tags/{tag}/members")["emails"]]


def people(*names: str, **values: Any) -> list[Member]:
    return [Member(f"{name}@example.com", values) for name in names]


def tag_id(partner: Running, name: str = TAG) -> int:
    return next(tag["id"] for tag in partner.admin.get("/tags")["tags"] if tag["name"] == name)


# who we are


async def test_check_tells_whose_account_it_is_and_changes_nothing(partner: Running, connections: Connections) -> None:
    account = await connections.open().check()
    assert account.label == "Sandbox account"
    assert account.id == "8d3a3db4d97663a9074efcc16"
    assert account.details["role"] == "owner"
    assert FIRST_LIST in account.details["audience"]
    assert account.warning == ""
    assert partner.admin.requests(writing=True) == []


@pytest.mark.parametrize("role", ["viewer", "author"])
async def test_check_warns_of_a_role_that_cannot_tag_anybody(
    partner: Running, connections: Connections, role: str
) -> None:
    body = {"account_id": "1", "account_name": "Acme", "role": role}
    partner.admin.fault(kind="nonsense", method="GET", regex="^/3.0/$", body=body)
    account = await connections.open().check()
    assert role in account.warning


async def test_a_wrong_key_is_refused_with_a_hint_and_never_shown(partner: Running, connections: Connections) -> None:
    key = "0123456789abcdef0123456789abcdef-us6"
    connector = connections.open(api_key=key)
    with pytest.raises(CredentialRefused) as refused:
        await connector.check()
    assert "API key" in refused.value.hint
    shown = f"{refused.value} {refused.value.hint} {connector.settings!r} {connector!r} {connector.http!r}"
    assert key not in shown


async def test_an_audience_that_does_not_exist_is_a_wrong_setting(partner: Running, connections: Connections) -> None:
    with pytest.raises(SettingsWrong, match="no Mailchimp audience 'nosuch'"):
        await connections.open(audience="nosuch").check()
    with pytest.raises(SettingsWrong, match="no Mailchimp audience 'nosuch'"):
        await connections.open(audience="nosuch").open_audience(TAG)


async def test_the_account_can_be_asked_for_its_audiences_before_one_is_chosen(
    partner: Running, connections: Connections
) -> None:
    put(partner, ann="subscribed")
    partner.admin.post("/lists", {"id": "ffff000001", "name": "Newsletter"})
    connector = connections.open(audience="")
    await connector.check()
    options = {option.value: option.label for option in await connector.options("audience")}
    assert options == {FIRST_LIST: "Sandbox audience (1 contacts)", "ffff000001": "Newsletter (0 contacts)"}
    with pytest.raises(SettingsWrong, match="No Mailchimp audience is chosen"):
        await connector.open_audience(TAG)


# the tag


async def test_the_tag_of_that_name_is_found_in_whatever_case_and_not_made_twice(
    partner: Running, connections: Connections
) -> None:
    connector = connections.open()
    made = await connector.open_audience(TAG)
    again = await connector.open_audience(TAG.upper())
    assert made.ref == again.ref == {"list": FIRST_LIST, "segment": tag_id(partner)}
    assert len(partner.admin.get("/tags")["tags"]) == 1


async def test_a_tag_is_found_beyond_the_first_thousand(partner: Running, connections: Connections) -> None:
    connector = connections.open()
    for number in range(1001):
        await connector.http.post(f"/lists/{FIRST_LIST}/segments", {"name": f"tag {number}", "static_segment": []})
    found = await connector.open_audience("Tag 1000")
    assert found.ref["segment"] == tag_id(partner, "tag 1000")


async def test_a_tag_that_cannot_be_made_is_no_fault_of_the_connection(connections: Connections) -> None:
    with pytest.raises(MappingWrong, match="cannot be made") as wrong:
        await connections.open().open_audience("n" * 300)
    assert "--audience" in wrong.value.hint


async def test_closing_deletes_the_tag_and_no_contact(partner: Running, connections: Connections) -> None:
    put(partner, ann="subscribed")
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    await connector.add(audience, people("ann"))
    await connector.close_audience(audience)
    await connector.close_audience(audience)  # it is gone already, and that is fine
    assert partner.admin.get("/tags")["tags"] == []
    assert contact(partner, "ann")["status"] == "subscribed"


async def test_a_deleted_tag_is_a_gone_audience_and_a_deleted_list_a_wrong_setting(
    partner: Running, connections: Connections
) -> None:
    connector = connections.open()
    gone = Audience({"list": FIRST_LIST, "segment": 4711}, TAG)
    elsewhere = Audience({"list": "nosuch", "segment": 4711}, TAG)
    for call in (connector.add, connector.remove):
        with pytest.raises(AudienceGone):
            await call(gone, people("ann"))
        with pytest.raises(SettingsWrong, match="nosuch"):
            await call(elsewhere, people("ann"))
    with pytest.raises(AudienceGone):
        [page async for page in connector.list_members(gone)]


# adding


async def test_without_create_contacts_nobody_new_appears_on_the_list(
    partner: Running, connections: Connections
) -> None:
    put(partner, ann="subscribed")
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    outcome = await connector.add(audience, people("ann", "zed", FNAME="Z"))
    assert tagged(partner) == ["ann"]
    assert contact(partner, "zed") is None
    [refusal] = outcome.refused
    assert refusal.key == "zed@example.com"
    assert refusal.retry_after == timedelta(days=1)
    assert "creates no contacts" in refusal.reason
    assert partner.admin.state()["partner"]["contacts"] == 1


async def test_with_create_contacts_new_people_get_the_chosen_status(
    partner: Running, connections: Connections
) -> None:
    for status in ("subscribed", "pending", "unsubscribed", "transactional"):
        connector = connections.open(create_contacts=True, new_contact_status=status)
        audience = await connector.open_audience(TAG)
        outcome = await connector.add(audience, people(f"new-{status}"))
        assert outcome.refused == []
        assert contact(partner, f"new-{status}")["status"] == status
    assert len(tagged(partner)) == 4


async def test_on_a_double_opt_in_audience_new_people_are_asked_to_confirm(
    partner: Running, connections: Connections
) -> None:
    partner.admin.post("/lists", {"id": "ffff000001", "name": "Careful", "double_optin": True})
    connector = connections.open(audience="ffff000001", create_contacts=True)
    account = await connector.check()
    assert account.details["new contacts"].startswith("pending")
    await connector.add(await connector.open_audience(TAG), people("ann"))
    assert contact(partner, "ann")["status"] == "pending"


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "pending", "transactional"])
async def test_nobody_who_is_on_the_list_changes_status(
    partner: Running, connections: Connections, status: str, create: bool
) -> None:
    put(partner, ann=status)
    connector = connections.open(create_contacts=create)
    audience = await connector.open_audience(TAG)
    outcome = await connector.add(audience, people("ann", FNAME="Ann"))
    assert outcome.refused == []
    assert contact(partner, "ann")["status"] == status
    assert contact(partner, "ann")["tags"] == [TAG]
    assert contact(partner, "ann")["merge_fields"]["FNAME"] == "Ann"


@pytest.mark.parametrize("create", [False, True])
async def test_who_unsubscribed_and_was_archived_is_not_brought_back(
    partner: Running, connections: Connections, create: bool
) -> None:
    put(partner, ann="unsubscribed")
    connector = connections.open(create_contacts=create)
    audience = await connector.open_audience(TAG)
    await connector.http.request("DELETE", f"/lists/{FIRST_LIST}/members/{contact(partner, 'ann')['id']}")
    outcome = await connector.add(audience, people("ann"))
    assert [refusal.key for refusal in outcome.refused] == ["ann@example.com"]
    assert contact(partner, "ann")["status"] == "archived"


async def test_who_was_forgotten_is_refused_for_good_and_stays_forgotten(
    partner: Running, connections: Connections
) -> None:
    partner.admin.post("/forget", {"email": "ann@example.com"})
    connector = connections.open(create_contacts=True)
    audience = await connector.open_audience(TAG)
    [refusal] = (await connector.add(audience, people("ann", "bob"))).refused
    assert (refusal.key, refusal.retry_after) == ("ann@example.com", None)
    assert "permanently deleted" in refusal.reason
    assert tagged(partner) == ["bob"]


async def test_each_member_gets_its_own_refusal_in_mailchimps_words(partner: Running, connections: Connections) -> None:
    connector = connections.open(create_contacts=True)
    audience = await connector.open_audience(TAG)
    members = [
        Member("good@example.com"),
        Member("no-address"),
        Member("fake@fake.invalid"),
        Member("eager@many-lists.invalid"),
        Member("phone@example.com", {"SHOES": "large"}),
    ]
    await connector.http.post(f"/lists/{FIRST_LIST}/merge-fields", {"tag": "SHOES", "name": "Shoes", "type": "number"})
    refused = {refusal.key: refusal for refusal in (await connector.add(audience, members)).refused}
    assert {key: refusal.retry_after for key, refusal in refused.items()} == {
        "no-address": None,
        "fake@fake.invalid": None,
        "eager@many-lists.invalid": timedelta(days=1),
        "phone@example.com": None,
    }
    assert "valid email" in refused["no-address"].reason
    assert "SHOES" in refused["phone@example.com"].reason
    assert refused["no-address"].code == "ERROR_GENERIC"
    assert tagged(partner) == ["good"]


@pytest.mark.parametrize("create", [False, True])
async def test_a_value_that_is_not_taken_is_refused_by_name_and_takes_nobody_out(
    partner: Running, connections: Connections, create: bool
) -> None:
    put(partner, ann="subscribed", bob="subscribed")
    connector = connections.open(create_contacts=create)
    audience = await connector.open_audience(TAG)
    await connector.http.post(f"/lists/{FIRST_LIST}/merge-fields", {"tag": "SHOES", "name": "Shoes", "type": "number"})
    await connector.add(audience, people("ann", "bob"))
    members = [*people("ann", SHOES="large"), *people("bob", SHOES=43.0)]
    [refusal] = (await connector.add(audience, members)).refused
    assert refusal.key == "ann@example.com"
    assert tagged(partner) == ["ann", "bob"]
    assert contact(partner, "bob")["merge_fields"]["SHOES"] == 43


@pytest.mark.parametrize("create", [False, True])
async def test_adding_twice_changes_nothing_more(partner: Running, connections: Connections, create: bool) -> None:
    put(partner, ann="subscribed")
    connector = connections.open(create_contacts=create)
    audience = await connector.open_audience(TAG)
    for _ in range(2):
        assert (await connector.add(audience, people("ann", FNAME="Ann"))).refused == []
    assert tagged(partner) == ["ann"]
    assert partner.admin.state()["partner"]["contacts"] == 1


async def test_the_customers_own_tags_stay(partner: Running, connections: Connections) -> None:
    put(partner, ann="subscribed")
    connector = connections.open(create_contacts=True)
    own = await connector.open_audience("VIP")
    await connector.add(own, people("ann"))
    ours = await connector.open_audience(TAG)
    await connector.add(ours, people("ann", FNAME="Ann"))
    await connector.remove(ours, people("ann"))
    assert contact(partner, "ann")["tags"] == ["VIP"]


async def test_a_full_batch_of_five_hundred_is_taken_in_one_go(partner: Running, connections: Connections) -> None:
    connector = connections.open(create_contacts=True)
    audience = await connector.open_audience(TAG)
    names = [f"p{number:03}" for number in range(500)]
    partner.admin.forget_requests()
    outcome = await connector.add(audience, people(*names, FNAME="P"))
    assert outcome.refused == []
    assert outcome.request_id
    assert tagged(partner) == names
    assert len(partner.admin.requests(writing=True)) == 2


# values


async def test_values_are_written_as_mailchimp_takes_them(partner: Running, connections: Connections) -> None:
    put(partner, ann="subscribed")
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    for tag in ("PRO", "AMOUNT", "RATIO", "LIKES", "SINCE"):
        await connector.http.post(f"/lists/{FIRST_LIST}/merge-fields", {"tag": tag, "name": tag, "type": "text"})
    values = {
        "FNAME": "Ann", "LNAME": None, "pro": True, "AMOUNT": 1200.0, "*|RATIO|*": 0.5,
        "LIKES": ["tea", 2.0, False], "SINCE": "2026-11-20",
    }  # fmt: skip
    await connector.add(audience, people("ann", LNAME="Old"))
    await connector.add(audience, people("ann", **values))
    fields = contact(partner, "ann")["merge_fields"]
    assert {name: fields[name] for name in fields if name != "PHONE"} == {
        "FNAME": "Ann", "LNAME": "", "PRO": "true", "AMOUNT": "1200", "RATIO": "0.5",
        "LIKES": "tea, 2, false", "SINCE": "2026-11-20",
    }  # fmt: skip


@pytest.mark.parametrize("create", [False, True])
async def test_a_field_that_the_audience_lacks_is_told_instead_of_losing_its_values(
    partner: Running, connections: Connections, create: bool
) -> None:
    connector = connections.open(create_contacts=create)
    audience = await connector.open_audience(TAG)
    put(partner, ann="subscribed")
    with pytest.raises(MappingWrong, match="no field PLAN") as wrong:
        await connector.add(audience, people("ann", PLAN="pro"))
    assert "FNAME" in wrong.value.hint
    assert tagged(partner) == []  # nothing was sent
    await connector.http.post(f"/lists/{FIRST_LIST}/merge-fields", {"tag": "PLAN", "name": "Plan", "type": "text"})
    await connector.add(audience, people("ann", PLAN="pro"))
    assert contact(partner, "ann")["merge_fields"]["PLAN"] == "pro"


async def test_fields_that_the_audience_lacks_are_made_when_asked_for_with_the_type_of_their_values(
    partner: Running, connections: Connections
) -> None:
    connector = connections.open(make_fields=True)
    await connector.check_mapping(["PLAN", "SPENT", "SINCE", "VIP"])  # changes nothing
    with pytest.raises(MappingWrong, match="can have no field A_NAME_THAT_IS_LONG, DATE"):
        await connector.check_mapping(["a_name_that_is_long", "DATE"])
    audience = await connector.open_audience(TAG)
    put(partner, ann="subscribed", bob="subscribed")
    ann = Member("ann@example.com", {"PLAN": "7", "SPENT": 12.5, "SINCE": "2026-11-20", "VIP": True, "NOT_YET": None})
    bob = Member("bob@example.com", {"PLAN": None, "SPENT": None, "SINCE": None, "VIP": False, "NOT_YET": None})
    outcomes = await asyncio.gather(*(connector.add(audience, [who]) for who in (ann, ann, bob)))
    assert [list(outcome.refused) for outcome in outcomes] == [[], [], []]
    found = await connector.http.get(f"/lists/{FIRST_LIST}/merge-fields", params={"count": 100})
    made = {each["tag"]: (each["type"], each["required"], each["public"]) for each in found["merge_fields"][3:]}
    kinds = {"PLAN": "text", "SPENT": "number", "SINCE": "date", "VIP": "text"}
    assert made == {tag: (kind, False, False) for tag, kind in kinds.items()}  # nobody has a NOT_YET
    fields = contact(partner, "ann")["merge_fields"]
    assert (fields["PLAN"], fields["SPENT"], fields["SINCE"], fields["VIP"]) == ("7", 12.5, "2026-11-20", "true")


# removing and listing


async def test_leaving_takes_the_tag_and_nothing_else(partner: Running, connections: Connections) -> None:
    put(partner, ann="subscribed", bob="subscribed")
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    await connector.add(audience, people("ann", "bob", FNAME="Same"))
    outcome = await connector.remove(audience, people("ann"))
    assert outcome.refused == []
    assert tagged(partner) == ["bob"]
    assert contact(partner, "ann")["status"] == "subscribed"
    assert contact(partner, "ann")["merge_fields"]["FNAME"] == "Same"


async def test_who_is_not_on_the_list_counts_as_taken_out(partner: Running, connections: Connections) -> None:
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    outcome = await connector.remove(audience, people("nobody"))
    assert outcome.refused == []


async def test_everybody_with_the_tag_is_listed_whatever_their_status(
    partner: Running, connections: Connections
) -> None:
    put(partner, ann="subscribed", bob="unsubscribed", cid="cleaned", dee="transactional")
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    await connector.add(audience, people("ann", "bob", "cid", "dee"))
    listed = [key async for page in connector.list_members(audience) for key in page]
    assert sorted(listed) == [f"{name}@example.com" for name in ("ann", "bob", "cid", "dee")]


async def test_a_list_longer_than_a_page_is_listed_whole(partner: Running, connections: Connections) -> None:
    connector = connections.open(create_contacts=True)
    audience = await connector.open_audience(TAG)
    names = [f"p{number:04}" for number in range(1500)]
    for start in range(0, len(names), 500):
        await connector.add(audience, people(*names[start : start + 500]))
    pages = [page async for page in connector.list_members(audience)]
    assert [len(page) for page in pages] == [1000, 500]
    assert {key for page in pages for key in page} == {f"{name}@example.com" for name in names}


async def test_merge_fields_are_read_as_they_are_kept_and_compared_so(
    partner: Running, connections: Connections
) -> None:
    put(partner, ann="subscribed", bob="unsubscribed")
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    long = "é" * 200
    await connector.add(audience, [Member("ann@example.com", {"*|FNAME|*": long}), Member("bob@example.com")])

    [page] = [page async for page in connector.read_members(audience, ["*|FNAME|*", "LNAME"])]

    read = {member.key: member.values for member in page}
    assert read["bob@example.com"] == {}
    assert [*read["ann@example.com"]] == ["*|FNAME|*"]
    assert connector.same_value("FNAME", long, read["ann@example.com"]["*|FNAME|*"])
    assert connector.same_value("N", 3.0, "3")
    assert connector.same_value("N", "007", "7.0")
    assert not connector.same_value("FNAME", "Ann", "Anne")
    assert not connector.same_value("FNAME", True, "")


# what goes wrong


@pytest.mark.parametrize("kind", ["answer_lost", "half_body", "nonsense"])
async def test_a_lost_answer_says_so_and_may_be_sent_again(
    partner: Running, connections: Connections, kind: str
) -> None:
    put(partner, ann="subscribed")
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    partner.admin.fault(kind=kind, method="POST", regex="/segments/")
    with pytest.raises(PartnerUnavailable) as lost:
        await connector.add(audience, people("ann"))
    assert lost.value.answer_lost
    assert tagged(partner) == ["ann"]  # it was done all the same
    assert (await connector.add(audience, people("ann"))).refused == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 429}, Wait),
        ({"status": 429, "body": ""}, Wait),
        ({"status": 403, "body": ""}, Wait),
        ({"status": 403, "body": "<html>busy</html>"}, Wait),
        ({"status": 403}, CredentialRefused),
        ({"status": 401}, CredentialRefused),
        ({"status": 500}, PartnerUnavailable),
        ({"status": 502, "body": "<html>Bad gateway</html>"}, PartnerUnavailable),
        ({"status": 504, "body": "<html>Gateway time-out</html>"}, PartnerUnavailable),
    ],
)
async def test_an_error_answer_says_what_happens_next(
    partner: Running, connections: Connections, fault: dict[str, Any], error: type[PartnerError]
) -> None:
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    partner.admin.fault(kind="status", method="POST", **fault)
    with pytest.raises(error) as raised:
        await connector.add(audience, people("ann"))
    assert type(raised.value) is error
    assert API_KEY not in f"{raised.value} {raised.value.hint}"


async def test_the_eleventh_request_at_once_is_a_wish_for_a_pause(partner: Running, connections: Connections) -> None:
    fault = {"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": "Slow down", "instance": "x"}
    partner.admin.fault(kind="status", method="GET", status=429, body=fault, retry_after=7)
    with pytest.raises(Wait) as wait:
        await connections.open().check()
    assert wait.value.seconds == 7


@pytest.mark.parametrize("body", [{}, [], "null", {"members_added": []}])
async def test_an_answer_that_does_not_tell_who_was_refused_counts_as_lost(
    partner: Running, connections: Connections, body: Any
) -> None:
    connector = connections.open()
    audience = await connector.open_audience(TAG)
    partner.admin.fault(kind="nonsense", method="POST", regex="/segments/", body=body)
    with pytest.raises(PartnerUnavailable) as lost:
        await connector.add(audience, people("ann"))
    assert lost.value.answer_lost


async def test_an_address_where_nobody_listens_lost_no_answer(partner: Running, connections: Connections) -> None:
    connector = connections.open(base_url="http://127.0.0.1:9/3.0")
    with pytest.raises(PartnerUnavailable) as away:
        await connector.add(Audience({"list": FIRST_LIST, "segment": 1}, TAG), people("ann"))
    assert not away.value.answer_lost


def test_every_ability_that_is_promised_is_there() -> None:
    methods = {
        Ability.REMOVE: "remove",
        Ability.LIST: "list_members",
        Ability.READ: "read_members",
        Ability.CLOSE: "close_audience",
        Ability.PULL: "pull",
        Ability.RECEIVE: "receive",
        Ability.LISTEN: "listen",
    }
    assert Mailchimp.abilities == {*methods, Ability.CREATE, Ability.CLEAR}
    assert all(name in vars(Mailchimp) for name in methods.values())
