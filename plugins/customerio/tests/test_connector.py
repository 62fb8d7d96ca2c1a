"""The connector's rules against the sandbox over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from hub import AudienceGone, CredentialRefused, MappingWrong, Member, PartnerError, SettingsWrong, Wait
from hub.connectors.matching import MatchOn
from hub.testing.sandbox import Running

NAME = "hub: Power users"
ANN, BOB = {"id": "ann", "email": "ann@shop.example"}, {"id": "bob", "email": "Bob@Shop.example"}


def put(workspace: Running, *people: dict[str, Any]) -> None:
    workspace.admin.post("/people", {"people": list(people)})


def held(workspace: Running) -> list[str]:
    return list(workspace.admin.get(f"/segments/{NAME}/members")["ids"])


def person(workspace: Running, name: str) -> dict[str, Any]:
    [found] = workspace.admin.get("/people", id=name)["people"]
    return dict(found["attributes"])


def calls(workspace: Running, ending: str) -> list[dict[str, Any]]:
    return [each for each in workspace.admin.requests(keys=True) if each["path"].endswith(ending)]


def body(workspace: Running, request: dict[str, Any]) -> bytes:
    answer = httpx.get(f"{workspace.url}/_sandbox/bodies/{request['digest']}", trust_env=False)
    return answer.content


async def test_each_credential_is_tried_and_the_refused_one_is_named(connections, workspace) -> None:
    account = await connections.open().check()
    assert (account.id, account.label) == ("us:7", "Workspace 7 (US)")

    with pytest.raises(CredentialRefused, match=r"refused the Track API key \(with its site ID\)") as track:
        await connections.open(track_api_key="wrong-track-key").check()
    with pytest.raises(CredentialRefused, match="refused the App API key") as app:
        await connections.open(app_api_key="wrong-app-key").check()
    assert "wrong-track-key" not in str(track.value) + track.value.hint
    assert "wrong-app-key" not in str(app.value) + app.value.hint


async def test_a_wrong_region_is_told_and_its_redirect_not_followed(connections, workspace) -> None:
    with pytest.raises(SettingsWrong, match="Wrong region: the workspace is in US, and this connection's region is eu"):
        await connections.open(region="eu").check()

    elsewhere = f"{workspace.url}/eu"
    with pytest.raises(SettingsWrong, match=r"Wrong region: Customer\.io's App API answered 301: wrong datacenter"):
        await connections.open(base_url=elsewhere).check()

    workspace.admin.post("/facts", {"region": "eu"})
    account = await connections.open(base_url=elsewhere, region="eu").check()
    assert account.label == "Workspace 7 (EU)"


async def test_a_segment_is_found_by_name_or_made_and_a_data_driven_one_is_refused(connections, workspace) -> None:
    connector = connections.open()
    made = await connector.open_audience(NAME)
    workspace.admin.post("/segments", {"name": NAME})
    again = await connections.open().open_audience(f" {NAME} ")
    assert made.ref == again.ref == {"segment": 1}

    workspace.admin.post("/segments", {"name": "Live", "type": "dynamic"})
    with pytest.raises(SettingsWrong, match="data-driven"):
        await connector.open_audience("Live")

    await connector.close_audience(made)
    await connector.close_audience(made)
    with pytest.raises(AudienceGone, match=r"was deleted in Customer\.io"):
        await connections.open().add(made, [Member("ann")])


async def test_without_create_people_only_those_who_are_known_are_changed(connections, workspace) -> None:
    put(workspace, ANN, {**BOB, "attributes": {"plan": "free", "city": "Oslo"}})
    connector = connections.open()
    audience = await connector.open_audience(NAME)

    outcome = await connector.add(
        audience,
        [Member("ann"), Member("bob", {"plan": "pro", "age": 3.0, "city": None}), Member("eve", {"plan": "pro"})],
    )

    [refused] = outcome.refused
    assert (refused.key, refused.code, refused.retry_after.days) == ("eve", "unknown", 1)
    assert held(workspace) == ["ann", "bob"]
    assert person(workspace, "bob") == {"plan": "pro", "age": 3}
    assert workspace.admin.get("/people", id="eve")["people"] == []
    assert [each["keys"] for each in calls(workspace, "/batch")] == [["bob"]]

    await connector.remove(audience, [Member("ann"), Member("nobody")])
    assert held(workspace) == ["bob"]
    assert person(workspace, "ann") == {}


async def test_with_create_people_they_are_made_and_each_kind_of_key_has_a_call_of_its_own(
    connections, workspace
) -> None:
    put(workspace, ANN, {"email": "cleo@shop.example"})
    [cleo] = workspace.admin.get("/people", email="cleo@shop.example")["people"]
    connector = connections.open(create_people=True)
    audience = await connector.open_audience(NAME)
    members = [
        Member("new", {"email": "new@shop.example", "created_at": "2026-01-02T00:00:00Z"}, match="distinct_id"),
        Member("ann@shop.example", match="$email"),
        Member(cleo["cio_id"], match="cio_id"),
        Member("a3ffffffffff", match="cio_id"),
    ]

    outcome = await connector.add(audience, members)

    assert [(each.key, each.match) for each in outcome.refused] == [("a3ffffffffff", "cio_id")]
    assert workspace.admin.get(f"/segments/{NAME}/members")["emails"] == [
        "ann@shop.example", "cleo@shop.example", "new@shop.example",
    ]  # fmt: skip
    assert person(workspace, "new") == {"created_at": 1767312000}
    assert sorted(each["query"] for each in calls(workspace, "/add_customers")) == [
        "id_type=cio_id", "id_type=email", "id_type=id",
    ]  # fmt: skip

    # everybody is listed by the first key of the connection's that the workspace has of them
    assert {(m.key, m.match) async for page in connector.list_members(audience) for m in page} == {
        ("new", "distinct_id"), ("ann", "distinct_id"), ("cleo@shop.example", "$email"),
    }  # fmt: skip
    connector.match_on = (MatchOn("$email", "$email", "email", "$email:"),)
    assert {m.key async for page in connector.list_members(audience) for m in page} == {
        "ann@shop.example", "cleo@shop.example", "new@shop.example",
    }  # fmt: skip


async def test_single_refusals_of_a_batch_are_read_and_nobody_answered_is_sent_again(connections, workspace) -> None:
    connector = connections.open(create_people=True)
    audience = await connector.open_audience(NAME)
    errors = [{"batch_index": 1, "reason": "invalid", "field": "attributes.plan", "message": "not accepted"}]
    workspace.admin.fault(kind="status", status=207, path="/api/v2/batch", body={"errors": errors}, after_commit=True)
    workspace.admin.fault(kind="status", status=429, path="/api/v1/segments/", retry_after=7)
    members = [Member("ann", {"plan": "pro"}), Member("bob", {"plan": "free"}), Member("cat", {"plan": "pro"})]

    with pytest.raises(Wait) as asked:
        await connector.add(audience, members)
    assert (asked.value.seconds, asked.value.answer_lost) == (7, True)

    outcome = await connector.add(audience, members)

    assert [(each.key, each.reason, each.code) for each in outcome.refused] == [
        ("bob", "attributes.plan: not accepted", "invalid")
    ]
    assert held(workspace) == ["ann", "cat"]
    assert [each["keys"] for each in calls(workspace, "/batch")] == [["ann", "bob", "cat"]]
    # once it is whole it is forgotten: the next run writes anew
    await connector.add(audience, members[:1])
    assert [each["keys"] for each in calls(workspace, "/batch")][1:] == [["ann"]]


async def test_a_batch_is_split_by_bytes_and_what_is_too_large_stays_here(connections, workspace) -> None:
    connector = connections.open(create_people=True)
    audience = await connector.open_audience(NAME)
    text = "æ" * 500  # a thousand bytes
    wide = {f"a{number:02}": text for number in range(20)}
    members = [Member(f"p{number:03}", wide) for number in range(60)]
    members += [Member("long", {"bio": text + "x"}), Member("huge", {f"a{n:02}": text for n in range(40)})]
    members += [Member("x" * 151), Member(" "), Member("own@shop.example", {"email": "other@shop.example"}, "$email")]

    outcome = await connector.add(audience, members)

    assert [(each.key[:4], each.reason[:42]) for each in outcome.refused] == [
        ("long", "The value of bio has 1001 bytes; Customer."),
        ("xxxx", "The id has 151 bytes; Customer.io takes 15"),
        (" ", "The id is empty."),
        ("own@", "The mapped email is not the one that the p"),
        ("huge", "With all its attributes the person has 404"),
    ]
    assert len(held(workspace)) == 60
    sent = calls(workspace, "/batch")
    assert sum(each["items"] for each in sent) == 60
    assert len(sent) > 1
    for each in sent:
        assert 300_000 < len(body(workspace, each)) < 500_000 or each is sent[-1]


async def test_suppressed_people_are_passed_over_in_silence_and_a_listing_shows_it(connections, workspace) -> None:
    put(workspace, ANN, BOB)
    workspace.admin.post("/people/suppress", {"ids": ["bob"]})
    connector = connections.open()
    audience = await connector.open_audience(NAME)

    outcome = await connector.add(audience, [Member("ann"), Member("bob")])

    assert outcome.refused == []
    assert [m.key async for page in connector.list_members(audience) for m in page] == ["ann"]


@pytest.mark.parametrize(
    "target", ["id", "cio_id", "unsubscribed", "Unsubscribed", "cio_subscription_preferences.topics.topic_1", "_update"]
)
async def test_what_is_reserved_cannot_be_mapped(connections, target) -> None:
    connector = connections.open()
    with pytest.raises(MappingWrong, match=target):
        await connector.check_mapping(["plan", target])
    await connector.check_mapping(["plan", "email", "created_at"])


async def test_names_too_long_and_too_many_attributes_cannot_be_mapped(connections) -> None:
    with pytest.raises(MappingWrong, match="has 151"):
        await connections.open().check_mapping(["x" * 151])
    with pytest.raises(MappingWrong, match="301 are mapped"):
        await connections.open().check_mapping([f"a{number}" for number in range(301)])


@pytest.mark.parametrize("kind", ["cut_before_commit", "answer_lost", "nonsense"])
async def test_a_lost_answer_may_be_repeated_without_harm(connections, workspace, kind) -> None:
    connector = connections.open(create_people=True)
    audience = await connector.open_audience(NAME)
    workspace.admin.fault(kind=kind, path="/api/v1/segments/")
    try:
        await connector.add(audience, [Member("ann"), Member("bob")])
    except PartnerError as error:
        assert error.answer_lost
    await connector.add(audience, [Member("ann"), Member("bob")])
    assert held(workspace) == ["ann", "bob"]


async def test_the_webhook_is_made_once_and_taken_away(connections, workspace) -> None:
    connector, url = connections.open(), "https://hub.example.com/in/cio/a-secret"
    await connector.listen(url)
    await connector.listen(url)
    made = [each["method"] for each in calls(workspace, "/v1/reporting_webhooks") if each["writing"]]
    put_right = [each["method"] for each in calls(workspace, "/v1/reporting_webhooks/4")]
    assert (made, put_right) == (["POST"], ["PUT"])
    sent = orjson.loads(body(workspace, calls(workspace, "/v1/reporting_webhooks/4")[0]))
    assert (sent["endpoint"], sent["full_resolution"], sent["with_content"]) == (url, True, False)
    assert {"email_opened", "whatsapp_replied", "customer_subscription_preferences_changed"} < set(sent["events"])

    refused = {"errors": [{"detail": f"{url} is not reachable", "status": "400"}]}
    workspace.admin.fault(kind="status", status=400, path="/v1/reporting_webhooks/", body=refused)
    with pytest.raises(SettingsWrong, match=r"does not send to hub\.example\.com") as told:
        await connector.listen(url)
    assert "a-secret" not in str(told.value)

    await connector.stop_listening("https://other.example.com")
    await connector.stop_listening(url)
    await connector.stop_listening(url)
    assert [each["method"] for each in calls(workspace, "/v1/reporting_webhooks/4")] == ["PUT", "PUT", "DELETE"]
