"""The Mailchimp sandbox, over real HTTP: simulated campaigns and the reports of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.testing.sandbox import Running, running
from hub_mailchimp.sandbox import API_KEY, FIRST_LIST, MailchimpSandbox

SENT = datetime(2026, 11, 1, 9, tzinfo=UTC)
RATES = {"open": 0.5, "click": 0.2, "bounce": 0.1, "soft_bounce": 0.1, "unsubscribe": 0.1}
EVERYBODY = [f"person{number:03}@example.com" for number in range(300)]


@pytest.fixture
def partner(tmp_path: Path) -> Iterator[Running]:
    with running(MailchimpSandbox(tmp_path, stats_lag=0)) as it:
        it.admin.post("/contacts", {"contacts": [{"email": email} for email in EVERYBODY]})
        yield it


@pytest.fixture
def api(partner: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=partner.settings["base_url"], auth=("hub", API_KEY), timeout=30) as client:
        yield client


def send(partner: Running, **order: Any) -> dict[str, Any]:
    return partner.admin.post("/campaigns", {"send_time": SENT.isoformat(), "seed": 7, "rates": RATES, **order})


def rows(api: httpx.Client, campaign: str, report: str, key: str, **params: Any) -> list[dict[str, Any]]:
    """A whole report, by pages of 70."""
    found: list[dict[str, Any]] = []
    while True:
        query = {"count": 70, "offset": len(found), **params}
        page = api.get(f"/reports/{campaign}/{report}", params=query).json()
        found += page[key]
        if not page[key] or len(found) >= page["total_items"]:
            assert len(found) == page["total_items"]
            return found


def test_the_reports_hold_exactly_what_the_simulation_counted(api: httpx.Client, partner: Running) -> None:
    counts = send(partner)

    sent_to = rows(api, counts["id"], "sent-to", "sent_to")
    activity = [action for one in rows(api, counts["id"], "email-activity", "emails") for action in one["activity"]]
    kinds = Counter(action["action"] for action in activity)
    statuses = Counter(one["status"] for one in sent_to)

    assert len(sent_to) == counts["emails_sent"] == 300
    assert (kinds["open"], kinds["click"]) == (counts["opens"], counts["clicks"])
    assert kinds["bounce"] == counts["hard_bounces"] + counts["soft_bounces"]
    assert (statuses["hard"], statuses["soft"]) == (counts["hard_bounces"], counts["soft_bounces"])
    assert len(rows(api, counts["id"], "unsubscribed", "unsubscribes")) == counts["unsubscribed"]
    assert sum(one["open_count"] for one in sent_to) == counts["opens"]


def test_about_as_many_do_each_thing_as_the_rates_say(partner: Running) -> None:
    counts = send(partner)

    delivered = 300 - counts["hard_bounces"] - counts["soft_bounces"]
    assert 15 <= counts["hard_bounces"] <= 50
    assert 0.4 < counts["unique_opens"] / delivered < 0.6
    assert 0.1 < counts["unique_clicks"] / delivered < 0.3
    assert counts["opens"] > counts["unique_opens"] > counts["unique_clicks"] > 0


def test_everything_happens_after_the_send_time(api: httpx.Client, partner: Running) -> None:
    campaign = send(partner, spread_seconds=3600)["id"]

    times = [
        datetime.fromisoformat(action["timestamp"])
        for one in rows(api, campaign, "email-activity", "emails")
        for action in one["activity"]
    ]
    assert min(times) > SENT
    assert max(times) < SENT + timedelta(hours=5)


def test_the_same_seed_brings_the_same_reports_on_another_machine(tmp_path: Path) -> None:
    def reports(home: Path, contacts: list[str], seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
        with running(MailchimpSandbox(home)) as partner:
            partner.admin.post("/contacts", {"contacts": [{"email": email} for email in contacts]})
            counts = send(partner, seed=seed)
            with httpx.Client(base_url=partner.settings["base_url"], auth=("hub", API_KEY)) as api:
                emails = rows(api, counts["id"], "email-activity", "emails")
            return counts, {one["email_address"]: one["activity"] for one in emails}

    first = reports(tmp_path / "one", EVERYBODY, 7)

    assert reports(tmp_path / "two", EVERYBODY[::-1], 7) == first
    assert reports(tmp_path / "three", EVERYBODY, 8)[1] != first[1]


def test_hard_bounces_are_cleaned_and_who_unsubscribes_is_unsubscribed(api: httpx.Client, partner: Running) -> None:
    counts = send(partner)

    statuses = partner.admin.state()["partner"]["contacts_by_status"]
    assert (statuses["cleaned"], statuses["unsubscribed"]) == (counts["hard_bounces"], counts["unsubscribed"])
    gone = rows(api, counts["id"], "unsubscribed", "unsubscribes")[0]
    assert api.get(f"/lists/{FIRST_LIST}/members/{gone['email_id']}").json()["status"] == "unsubscribed"
    assert send(partner)["emails_sent"] == 300 - counts["hard_bounces"] - counts["unsubscribed"]


def test_a_campaign_goes_to_the_subscribed_members_of_a_tag(api: httpx.Client, partner: Running) -> None:
    partner.admin.post("/contacts/unsubscribe", {"emails": EVERYBODY[:1]})
    tag = {"name": "vip", "static_segment": EVERYBODY[:3]}
    segment_id = api.post(f"/lists/{FIRST_LIST}/segments", json=tag).json()["id"]

    by_name, by_id = (
        send(partner, tag="VIP", rates={"bounce": 0, "unsubscribe": 0}),
        send(partner, segment_id=segment_id),
    )

    assert (by_name["emails_sent"], by_id["emails_sent"]) == (2, 2)
    sent_to = rows(api, by_name["id"], "sent-to", "sent_to")
    assert [one["email_address"] for one in sent_to] == EVERYBODY[1:3]


def test_activity_since_a_time_leaves_out_what_was_before_and_who_did_nothing(
    api: httpx.Client, partner: Running
) -> None:
    campaign = send(partner)["id"]
    since = SENT + timedelta(hours=24)

    everything = rows(api, campaign, "email-activity", "emails")
    later = rows(api, campaign, "email-activity", "emails", since=since.isoformat())

    assert [] in [one["activity"] for one in everything]
    expected = {
        one["email_address"]: kept
        for one in everything
        if (kept := [each for each in one["activity"] if datetime.fromisoformat(each["timestamp"]) > since])
    }
    assert {one["email_address"]: one["activity"] for one in later} == expected


def test_a_time_with_an_unescaped_plus_is_refused(api: httpx.Client, partner: Running) -> None:
    campaign = send(partner)["id"]

    answer = api.get(f"/reports/{campaign}/email-activity?since=2026-11-01T00:00:00+00:00")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "since")


def test_campaigns_are_filtered_by_send_time_sorted_and_paged(api: httpx.Client, partner: Running) -> None:
    days = [send(partner, send_time=(SENT + timedelta(days=day)).isoformat(), title=f"day {day}") for day in range(4)]
    asked = {
        "status": "sent",
        "since_send_time": SENT.isoformat(),
        "before_send_time": (SENT + timedelta(days=3)).isoformat(),
        "sort_field": "send_time",
        "sort_dir": "ASC",
        "fields": "campaigns.id,campaigns.settings.title,total_items",
    }

    both = api.get("/campaigns", params=asked).json()
    second = api.get("/campaigns", params={**asked, "count": 1, "offset": 1}).json()

    assert both["campaigns"] == [{"id": days[day]["id"], "settings": {"title": f"day {day}"}} for day in (1, 2)]
    assert (second["campaigns"], second["total_items"]) == (both["campaigns"][1:], 2)
    assert api.get("/campaigns", params={"sort_field": "title"}).status_code == 400
    assert api.get("/campaigns", params={"status": "save"}).json()["total_items"] == 0


def test_mails_of_automations_are_in_reports_only(api: httpx.Client, partner: Running) -> None:
    regular, automation = send(partner), send(partner, type="automation")

    assert [one["id"] for one in api.get("/campaigns").json()["campaigns"]] == [regular["id"]]
    reports = api.get("/reports", params={"count": 1000}).json()["reports"]
    assert {one["id"]: one["type"] for one in reports} == {regular["id"]: "regular", automation["id"]: "automation"}


def test_a_report_tells_its_totals_and_an_unknown_one_is_a_404(api: httpx.Client, partner: Running) -> None:
    counts = send(partner)

    report = api.get(f"/reports/{counts['id']}").json()
    assert report["opens"] == {"opens_total": counts["opens"], "unique_opens": counts["unique_opens"]}
    assert (report["send_time"], report["emails_sent"]) == ("2026-11-01T09:00:00+00:00", 300)
    assert api.get("/reports/0000000000/sent-to").status_code == 404


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"send_time": "2026-11-01T09:00:00"}, "send_time"),
        ({"rates": {"open": 2}}, "rates.open"),
        ({"tag": "nosuch"}, "no tag 'nosuch'"),
        ({"list_id": "nosuch"}, "no audience 'nosuch'"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused_by_its_field(partner: Running, order: dict[str, Any], words: str) -> None:
    body = {"send_time": SENT.isoformat(), **order}
    answer = httpx.post(f"{partner.url}/_sandbox/campaigns", json=body)

    assert answer.status_code in {400, 404}
    assert words in answer.json()["error"]


def test_a_fault_on_reports_hits_reports_alone(api: httpx.Client, partner: Running) -> None:
    campaign = send(partner)["id"]
    partner.admin.fault(kind="status", status=502, body="<html>", count=2, regex="/email-activity$")

    statuses = [api.get(f"/reports/{campaign}/email-activity").status_code for _ in range(3)]

    assert statuses == [502, 502, 200]
    assert api.get(f"/reports/{campaign}/sent-to").status_code == 200
