"""The connector's rules, one sentence each, against the sandbox over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hub import (
    BatchRefused,
    CredentialRefused,
    HubError,
    MappingWrong,
    Member,
    Page,
    PartnerClient,
    PartnerUnavailable,
    SettingsWrong,
    Wait,
    new_signing_secret,
)
from hub.connectors.addresses import AddressGuard
from hub.testing.sandbox import Running, running
from hub_webhook.connector import Webhook
from hub_webhook.envelope import cohort_id
from hub_webhook.sandbox import SECRET, WebhookSandbox
from hub_webhook.settings import WebhookSettings

COHORT = "hub: Power users"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(WebhookSandbox(tmp_path_factory.mktemp("webhook"), keep_bodies=True)) as partner:
        yield partner


@pytest.fixture
def partner(receiver: Running) -> Running:
    receiver.admin.reset()
    return receiver


class Connections:
    """Makes connectors for the sandbox, and closes their clients."""

    def __init__(self, partner: Running) -> None:
        self._partner = partner
        self._clients: list[PartnerClient] = []

    def open(self, *, allow_private: bool = True, **settings: Any) -> Webhook:
        chosen = WebhookSettings.model_validate({**self._partner.settings, **settings})
        client = PartnerClient(Webhook.base_url(chosen), guard=AddressGuard(allow_private=allow_private))
        self._clients.append(client)
        return Webhook(chosen, client)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture
async def connections(partner: Running) -> AsyncIterator[Connections]:
    made = Connections(partner)
    yield made
    await made.close()


def people(*names: str, **values: Any) -> list[Member]:
    return [Member(name, values) for name in names]


def held(partner: Running, cohort: str = COHORT) -> list[str]:
    return [row["mixpanel_distinct_id"] for row in partner.admin.get(f"/cohorts/{cohort}/members")["members"]]


def deliveries(partner: Running) -> list[dict[str, Any]]:
    return list(partner.admin.get("/deliveries")["deliveries"])


# the test delivery


async def test_check_sends_a_signed_test_that_changes_no_cohort(partner: Running, connections: Connections) -> None:
    connector = connections.open()
    await connector.add(await connector.open_audience(COHORT), people("ann"))
    before = partner.admin.get("/cohorts")
    account = await connector.check()
    assert (partner.admin.get("/cohorts"), held(partner)) == (before, ["ann"])
    assert [each["action"] for each in deliveries(partner)] == ["add_members", "remove_members"]
    assert account.label.endswith("/hook")
    assert account.warning == ""


@pytest.mark.parametrize("wrong", [{"password": "not the password"}, {"signing_secret": new_signing_secret()}])
async def test_a_wrong_credential_or_signature_is_refused_with_the_receivers_words(
    connections: Connections, wrong: dict[str, str]
) -> None:
    connector = connections.open(**wrong)
    with pytest.raises(CredentialRefused, match="receiver answered 401: The") as refused:
        await connector.check()
    [secret] = wrong.values()
    assert secret not in f"{refused.value} {refused.value.hint} {connector.settings!r}"


async def test_own_headers_are_sent(partner: Running, connections: Connections) -> None:
    partner.admin.post("/expected", {"headers": {"X-Api-Key": "letmein", "X-Team": "growth"}})
    with pytest.raises(CredentialRefused, match="X-Api-Key"):
        await connections.open().check()
    await connections.open(headers="X-Api-Key: letmein\nX-Team: growth").check()
    await connections.open(headers='{"x-api-key": "letmein", "X-Team": "growth"}').check()


async def test_two_secrets_sign_while_one_replaces_the_other(partner: Running, connections: Connections) -> None:
    new = new_signing_secret()
    connector = connections.open(signing_secret=f"{new} {SECRET}")
    await connector.check()
    partner.admin.post("/expected", {"secrets": [new]})
    await connector.check()


async def test_a_slash_at_the_end_of_the_url_is_kept(partner: Running, connections: Connections) -> None:
    with pytest.raises(SettingsWrong):
        await connections.open(base_url=f"{partner.url}/hook/").check()
    assert partner.admin.requests()[-1]["path"] == "/hook/"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/hook", "http://localhost:9/hook", "http://169.254.169.254/"])
async def test_the_hubs_own_network_cannot_be_reached(connections: Connections, address: str) -> None:
    with pytest.raises(HubError, match="not on the public internet"):
        await connections.open(allow_private=False, base_url=address).check()


# pages


async def test_members_are_added_and_removed_page_by_page(partner: Running, connections: Connections) -> None:
    connector = connections.open()
    audience = await connector.open_audience(COHORT)
    await connector.add_page(audience, people("ann", "bob"), Page("s", 1, 2))
    await connector.add_page(audience, people("cem"), Page("s", 2, 2))
    await connector.remove_page(audience, people("bob", "nobody"), Page("s", 1, 1))
    assert held(partner) == ["ann", "cem"]
    told = [(each["action"], each["session"], each["page"], each["total"]) for each in deliveries(partner)]
    assert told == [("add_members", "s", 1, 2), ("add_members", "s", 2, 2), ("remove_members", "s", 1, 1)]
    assert {each["cohort"] for each in deliveries(partner)} == {cohort_id(COHORT)}


async def test_mapped_properties_go_under_the_names_chosen(partner: Running, connections: Connections) -> None:
    connector = connections.open()
    audience = await connector.open_audience(COHORT)
    await connector.add(audience, people("ann", email="ann@example.com", visits=3.0, plan="pro", tags=["a", 1.0]))
    await connector.add(audience, people("ann", plan=None))
    assert partner.admin.get(f"/cohorts/{COHORT}/members")["members"] == [
        {"mixpanel_distinct_id": "ann", "email": "ann@example.com", "visits": 3, "tags": ["a", 1]}
    ]
    with pytest.raises(MappingWrong, match="mixpanel_distinct_id"):
        await connector.add(audience, people("ann", mixpanel_distinct_id="x"))


async def test_a_lost_answer_is_said_and_a_second_sending_is_the_same_message(
    partner: Running, connections: Connections
) -> None:
    connector = connections.open()
    audience = await connector.open_audience(COHORT)
    partner.admin.fault(kind="answer_lost", method="POST")
    with pytest.raises(PartnerUnavailable) as lost:
        await connector.add_page(audience, people("ann"), Page("s"))
    assert lost.value.answer_lost
    outcome = await connector.add_page(audience, people("ann"), Page("s"))
    [delivery] = deliveries(partner)
    assert (delivery["id"], delivery["times"]) == (outcome.request_id, 2)
    await connector.add_page(audience, people("ann"), Page("a later run"))
    assert len(deliveries(partner)) == 2


async def test_closing_sends_a_full_copy_of_nobody(partner: Running, connections: Connections) -> None:
    connector = connections.open()
    audience = await connector.open_audience(COHORT)
    await connector.add(audience, people("ann"))
    await connector.close_audience(audience)
    await connector.close_audience(audience)
    assert held(partner) == []
    assert deliveries(partner)[-1]["action"] == "members"


# answers


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, SettingsWrong),
        (401, CredentialRefused),
        (403, CredentialRefused),
        (404, SettingsWrong),
        (410, SettingsWrong),
        (301, SettingsWrong),
        (409, PartnerUnavailable),
        (413, BatchRefused),
        (429, Wait),
        (500, PartnerUnavailable),
        (503, Wait),
    ],
)
async def test_what_a_status_means(
    partner: Running, connections: Connections, status: int, error: type[Exception]
) -> None:
    partner.admin.fault(kind="status", status=status, retry_after=7)
    with pytest.raises(error) as told:
        await connections.open().check()
    assert type(told.value) is error
    assert str(status) in str(told.value)
    if isinstance(told.value, Wait):
        assert told.value.seconds == 7


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("<html>Log in</html>", PartnerUnavailable, "not as the webhook contract says"),
        ("", PartnerUnavailable, "not as the webhook contract says"),
        ({"ok": True}, PartnerUnavailable, "does not say that it was taken"),
        ({"action": "members", "status": "success"}, PartnerUnavailable, "does not say"),
        (
            {"status": "failure", "error": {"message": "disk full", "code": 507}},
            PartnerUnavailable,
            "disk full",
        ),
        ({"status": "failure", "error": {"message": "who are you?", "code": 403}}, CredentialRefused, "who are you"),
        (
            {"status": "failure", "error": {"message": "no sandbox-password", "code": 400}},
            SettingsWrong,
            "\\*\\*\\*",
        ),
        ({"status": "failure", "error": "odd"}, PartnerUnavailable, "failed: odd"),
    ],
)
async def test_200_counts_only_with_a_word_of_success(
    partner: Running, connections: Connections, body: Any, error: type[Exception], said: str
) -> None:
    partner.admin.fault(kind="nonsense", body=body)
    with pytest.raises(error, match=said):
        await connections.open().check()


async def test_half_an_answer_is_a_lost_one(partner: Running, connections: Connections) -> None:
    partner.admin.fault(kind="half_body")
    with pytest.raises(PartnerUnavailable) as lost:
        await connections.open().check()
    assert lost.value.answer_lost
