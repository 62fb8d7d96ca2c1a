"""The receiver: full copies are staged and swapped, and nothing unsound is taken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub import Page, signature_headers
from hub.testing.sandbox import Running, running
from hub_webhook.envelope import envelope, message_id
from hub_webhook.sandbox import PASSWORD, SECRET, USERNAME, WebhookSandbox


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(WebhookSandbox(tmp_path_factory.mktemp("webhook"))) as partner:
        yield partner


@pytest.fixture
def partner(receiver: Running) -> Running:
    receiver.admin.reset()
    return receiver


def send(partner: Running, action: Any, names: list[str], page: Page) -> httpx.Response:
    rows = [{"mixpanel_distinct_id": name} for name in names]
    return post(partner, envelope(action, rows, project="1", cohort="7", name="VIP", page=page))


def post(partner: Running, body: bytes, at: datetime | None = None) -> httpx.Response:
    headers = signature_headers([SECRET], message_id=message_id(body), at=at or datetime.now(UTC), body=body)
    return httpx.post(f"{partner.url}/hook", content=body, headers=headers, auth=(USERNAME, PASSWORD))


def held(partner: Running) -> list[str]:
    return [row["mixpanel_distinct_id"] for row in partner.admin.get("/cohorts/VIP/members")["members"]]


def test_a_full_copy_replaces_the_cohort_when_its_last_page_has_come(partner: Running) -> None:
    send(partner, "add_members", ["old"], Page("first"))
    send(partner, "members", ["bob"], Page("second", 2, 3))
    send(partner, "members", ["bob"], Page("second", 2, 3))  # again, and out of order
    send(partner, "members", ["ann"], Page("second", 1, 3))
    assert held(partner) == ["old"]
    assert send(partner, "members", ["cem"], Page("second", 3, 3)).json() == {"action": "members", "status": "success"}
    assert held(partner) == ["ann", "bob", "cem"]
    assert partner.admin.get("/cohorts")["cohorts"][0]["staged_pages"] == 0


def test_a_sender_that_begins_anew_gives_its_earlier_session_up(partner: Running) -> None:
    send(partner, "members", ["ann"], Page("died", 1, 2))
    send(partner, "members", ["bob"], Page("anew", 2, 2))
    send(partner, "members", ["cem"], Page("anew", 1, 2))
    assert held(partner) == ["bob", "cem"]


@pytest.mark.parametrize(
    ("action", "members", "page", "said"),
    [
        ("delete_members", 1, Page("s"), "no action"),
        ("add_members", 1001, Page("s"), "at most 1000"),
        ("add_members", 1, Page("s", 3, 2), "Page 3 of 2"),
    ],
)
def test_what_the_contract_does_not_allow_is_a_400(
    partner: Running, action: str, members: int, page: Page, said: str
) -> None:
    answer = send(partner, action, [str(number) for number in range(members)], page)
    assert answer.status_code == answer.json()["error"]["code"] == 400
    assert answer.json()["status"] == "failure"
    assert said in answer.json()["error"]["message"]
    assert post(partner, b"[1]").status_code == 400


def test_a_signature_older_than_five_minutes_is_refused(partner: Running) -> None:
    body = envelope("add_members", [], project="1", cohort="7", name="VIP", page=Page("s"))
    assert post(partner, body, at=datetime.fromtimestamp(1614265330, UTC)).status_code == 401


def test_what_it_holds_survives_a_restart(tmp_path: Path) -> None:
    with running(WebhookSandbox(tmp_path)) as partner:
        send(partner, "add_members", ["ann"], Page("s"))
    with running(WebhookSandbox(tmp_path)) as partner:
        assert held(partner) == ["ann"]
