"""Reports of long campaigns through real batches: everything once, whatever fails or dies meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub import Cursor, MessageEvent, PartnerClient, PartnerUnavailable
from hub.connectors.addresses import AddressGuard
from hub.testing.sandbox import Running, running
from hub_mailchimp import batches, reports
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.long_reports import REPORTS, Patience
from hub_mailchimp.sandbox import MailchimpSandbox
from hub_mailchimp.settings import MailchimpSettings

PEOPLE = 2_300
RATES = {"open": 0.5, "click": 0.2, "bounce": 0.05, "soft_bounce": 0.01, "unsubscribe": 0.05}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, dict[str, Any]]]:
    """A sandbox whose batches take no time, with one campaign to many; its counts."""
    home: Path = tmp_path_factory.mktemp("mailchimp")
    with running(MailchimpSandbox(home, stats_lag=0, batch_seconds=0)) as partner:
        people = [{"email": f"p{number}@example.com"} for number in range(PEOPLE)]
        partner.admin.post("/contacts", {"contacts": people})
        sent_at = (datetime.now(UTC) - timedelta(days=3)).isoformat()
        yield partner, partner.admin.post("/campaigns", {"send_time": sent_at, "seed": 1, "rates": RATES})


@pytest.fixture
async def http(sent: tuple[Running, dict[str, Any]]) -> AsyncIterator[PartnerClient]:
    partner, _ = sent
    partner.admin.forget_requests()
    settings = MailchimpSettings.model_validate({**partner.settings, "audience": ""})
    async with PartnerClient(settings.base_url, guard=AddressGuard(allow_private=True), read_attempts=1) as client:
        Mailchimp(settings, client)  # it sets the credential
        yield client


async def no_pause(seconds: float) -> None:
    assert 5 <= seconds <= 60


async def pulled(
    http: PartnerClient, begin: Cursor, *, seconds: float = 60.0, stop_after: int = 10**9
) -> tuple[list[MessageEvent], Cursor]:
    """The events of a pull, killed after so many pages, and the cursor that was stored last."""
    found: list[MessageEvent] = []
    pages, cursor = 0, begin
    async for events, reached in reports.pull(http, begin, long=100, patience=Patience(seconds, no_pause)):
        found, cursor = found + list(events), reached
        pages += 1
        if pages >= stop_after:
            break
    return found, cursor


def ids(events: list[MessageEvent]) -> set[str]:
    return {event.id for event in events}


@pytest.fixture
async def page_by_page(http: PartnerClient, sent: tuple[Running, dict[str, Any]]) -> list[MessageEvent]:
    """The same events without batches."""
    found = [event async for events, _ in reports.pull(http, {}) for event in events]
    sent[0].admin.forget_requests()
    return found


async def test_a_long_campaign_is_read_by_batches_and_has_the_same_events(
    http: PartnerClient,
    sent: tuple[Running, dict[str, Any]],
    page_by_page: list[MessageEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "OPERATIONS", 2)  # several batches for a report
    partner, counts = sent
    events, cursor = await pulled(http, {})
    assert ids(events) == ids(page_by_page)
    assert sum(event.kind == "sent" for event in events) == counts["emails_sent"] == PEOPLE
    bounces = [event.time for event in events if event.kind == "bounce"]
    assert bounces[0] != datetime.fromisoformat(counts["send_time"])  # the exact time is told first
    asked = partner.admin.requests()
    assert sum(each["path"] == "/3.0/batches" for each in asked) == 3 + 2 + 1
    assert not [each for each in asked if each["path"].startswith("/3.0/reports/") and "count=1&" not in each["query"]]
    storage = [each for each in asked if each["path"].startswith("/storage/")]
    assert {each["status"] for each in storage} == {200}  # it refuses a credential
    assert "ordered" not in cursor
    assert cursor["campaigns"][counts["id"]][1:] != [None, -1]
    again, _ = await pulled(http, cursor)
    assert again == []  # not due


async def test_operations_that_fail_are_asked_for_again_and_alone(
    http: PartnerClient, sent: tuple[Running, dict[str, Any]], page_by_page: list[MessageEvent]
) -> None:
    partner, counts = sent
    partner.admin.post("/batches/fail", {"contains": "email-activity:500", "status": 429})
    partner.admin.post("/batches/fail", {"contains": "sent-to:0", "status": 504, "count": 2})
    events, cursor = await pulled(http, {})
    assert ids(events) == ids(page_by_page)
    assert sum(each["path"] == "/3.0/batches" for each in partner.admin.requests()) == 3 + 1 + 2
    partner.admin.post("/batches/fail", {"contains": "sent-to:0", "status": 503, "count": 3})
    with pytest.raises(PartnerUnavailable, match="again and again"):
        await pulled(http, {})
    assert cursor["campaigns"][counts["id"]][1] is not None


@pytest.mark.parametrize("stop_after", [2, 3, 4, 5])
async def test_whoever_is_killed_goes_on_with_what_was_ordered(
    http: PartnerClient,
    sent: tuple[Running, dict[str, Any]],
    page_by_page: list[MessageEvent],
    stop_after: int,
) -> None:
    partner, counts = sent
    before, cursor = await pulled(http, {}, stop_after=stop_after)
    assert cursor["campaigns"][counts["id"]][1] is None  # its mark has not moved
    events, _ = await pulled(http, cursor)
    assert ids(events) == ids(page_by_page)
    assert ids(before) <= ids(events)
    assert sum(each["path"] == "/3.0/batches" for each in partner.admin.requests()) == 3  # ordered once


async def test_a_pull_does_not_wait_for_ever_and_a_batch_that_is_forgotten_is_ordered_anew(
    http: PartnerClient, sent: tuple[Running, dict[str, Any]], page_by_page: list[MessageEvent], tmp_path: Path
) -> None:
    partner, _ = sent
    _, cursor = await pulled(http, {}, stop_after=2)
    name, [*_, parts] = next(iter(cursor["ordered"].items()))
    for batch in (batch for _, _, ordered in parts for batch in ordered):
        await http.request("DELETE", f"/batches/{batch}")
    pages = reports.pull(http, cursor, long=100, patience=Patience(60, no_pause))
    with pytest.raises(PartnerUnavailable, match="any more"):
        async for _, reached in pages:
            cursor = reached
    assert "ordered" not in cursor
    partner.admin.post("/batches/slow", {"seconds": 3600})
    try:
        waiting, cursor = await pulled(http, cursor, seconds=0)
        assert waiting == []
        assert name in cursor["ordered"]
    finally:
        partner.admin.post("/batches/slow", {"seconds": 0})
    events, _ = await pulled(http, cursor)
    assert ids(events) == ids(page_by_page)


async def test_a_batch_without_a_count_is_paged_by_mailchimp(
    http: PartnerClient, sent: tuple[Running, dict[str, Any]]
) -> None:
    _, counts = sent
    path = f"/reports/{counts['id']}/sent-to"
    [batch] = await batches.submit(http, [batches.Get("all", path, {}), batches.Get("none", "/lists/none", {})])
    url = await batches.archive_of(http, batch)
    found = [answer async for each in batches.answers(http, url) for answer in each]
    rows = [row for answer in found if answer.name == "all" for row in answer.body[REPORTS["sent-to"].rows]]
    assert len({row["email_id"] for row in rows}) == PEOPLE
    assert [answer.status for answer in found if answer.name == "none"] == [404]
