"""Monthly tracked users: what counts, what is exempt, and where a month of the zone begins."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hub.connectors.messages import MessageEventKind, MessageEvents
from hub.errors import UsageError
from hub.people.exemptions import exemptions, shipped_exemptions
from hub.people.mtu import mtu
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

US = timedelta(microseconds=1)
MID = datetime(2026, 11, 15, tzinfo=UTC)
ACME = MessageEvents(
    "acme",
    "https://acme.example/events",
    (
        MessageEventKind("sent", "Acme Sent", exempt=True, also_known_as=("Acme - Sent",)),
        MessageEventKind("opened", "Acme Opened", exempt=False),
    ),
)


def _counted(tmp_path, rows, *, month="2026-11", timezone="UTC", profiles=(), declared=(ACME,)):
    made = make_workspace(tmp_path / "home", timezone=timezone)
    add_events(made, rows)
    if profiles:
        add_profiles(made, profiles)
    found = mtu(made, month, declared)
    assert found.month == month
    return found.mtu, found.exempt_only


def test_a_person_counts_once_however_much_they_do(tmp_path):
    assert _counted(tmp_path, [EventRow("ann", "A", MID), EventRow("ann", "B", MID), EventRow("bob", "A", MID)]) == (
        2,
        0,
    )


def test_a_dormant_person_who_is_written_to_does_not_count_and_who_comes_back_does(tmp_path):
    rows = [EventRow("ann", "Acme Sent", MID, source="acme"), EventRow("bob", "Acme Sent", MID, source="acme")]
    assert _counted(tmp_path, [*rows, EventRow("bob", "App Open", MID)]) == (1, 1)


def test_both_spellings_are_exempt_and_what_is_not_declared_so_counts(tmp_path):
    rows = [EventRow("ann", "Acme - Sent", MID, source="acme"), EventRow("bob", "Acme Opened", MID, source="acme")]
    assert _counted(tmp_path, rows) == (1, 1)


@pytest.mark.parametrize(
    ("event", "source", "exempt"),
    [
        ("Acme Sent", None, False),
        ("Acme Sent", "Acme", False),
        ("acme sent", "acme", False),
        ("Acme Sent", "braze", False),
        ("$campaign_delivery", None, True),
        ("$campaign_delivery", "acme", True),
        ("$campaign_open", "acme", False),
        ("$identify", None, True),
        ("$mp_session_record", None, True),
        ("Email Send", "braze", True),
        ("Email Send", None, False),
        ("Email Open", "braze", False),
        ("Email Sent", "customer.io", True),
        ("Email Opened", "customer.io", False),
        ("Email Link Clicked", "customer.io", False),
        ("Email Converted", "customer.io", False),
        ("Email Suppressed", "customer.io", True),
        ("Email Marked as Spam", "customer.io", True),
        ("Unsubscribed", "customer.io", True),
        ("Unsubscribed", None, False),
    ],
)
def test_an_exemption_is_a_pair_of_source_and_event_case_sensitive(tmp_path, event, source, exempt):
    assert exemptions([ACME]).cover(source, event) is exempt
    assert _counted(tmp_path, [EventRow("ann", event, MID, source=source)]) == ((0, 1) if exempt else (1, 0))


def test_pairs_can_be_added_and_removed():
    changed = exemptions([ACME], add=[(None, "Ping"), ("acme", "Acme Opened")], remove=[("acme", "Acme Sent")])
    assert changed.cover("whoever", "Ping")
    assert changed.cover("acme", "Acme Opened")
    assert not changed.cover("acme", "Acme Sent")
    assert changed.cover("acme", "Acme - Sent")


def test_every_shipped_pair_names_its_page_and_is_there_once():
    shipped = shipped_exemptions()
    assert all(each.page.startswith("https://") for each in shipped)
    assert len({each.pair for each in shipped}) == len(shipped)
    assert sum(each.source == "braze" for each in shipped) == 15


def test_a_message_event_counts_for_the_person_behind_the_address(tmp_path):
    rows = [
        EventRow("ann", "App Open", MID),
        EventRow("$match:$email:ann@x.no", "Acme Opened", MID, source="acme"),
        EventRow("$match:$email:ann@x.no", "Acme Sent", MID, source="acme"),
    ]
    assert _counted(tmp_path, rows, profiles=[ProfileRow("ann", {"$email": "Ann@x.no"})]) == (1, 0)


def test_a_month_is_one_of_the_projects_zone(tmp_path):
    start, end = datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2026, 11, 30, 23, tzinfo=UTC)
    rows = [EventRow(str(number), "A", time) for number, time in enumerate([start - US, start, end - US, end])]
    assert _counted(tmp_path, rows, timezone="Europe/Oslo") == (2, 0)


def test_the_present_month_is_that_of_the_zone(tmp_path):
    made = make_workspace(tmp_path / "home", timezone="Pacific/Kiritimati")
    before = datetime.now(ZoneInfo("Pacific/Kiritimati")).strftime("%Y-%m")
    found = mtu(made).month
    assert before <= found <= datetime.now(ZoneInfo("Pacific/Kiritimati")).strftime("%Y-%m")


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "11-2026", "november", "0000-01", "9999-12"])
def test_what_is_no_month_is_refused_kindly(tmp_path, month):
    made = make_workspace(tmp_path / "home")
    if month == "9999-12":
        with pytest.raises(UsageError):
            mtu(made, month)
        return
    with pytest.raises(UsageError, match="is not a month"):
        mtu(made, month)


@pytest.mark.parametrize(("seed", "timezone"), [(1, "UTC"), (2, "America/New_York"), (3, "Asia/Kathmandu")])
def test_counting_by_hand_gives_the_same_people(tmp_path, seed, timezone):
    pick = random.Random(seed)
    edge = datetime(2026, 11, 1, tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    pairs = [("A", None), ("Acme Sent", "acme"), ("Acme Sent", None), ("$identify", "x"), ("$campaign_open", "acme")]
    rows = []
    for _ in range(400):
        event, source = pick.choice(pairs)
        offset = pick.choice([timedelta(), -US, US, timedelta(days=30), timedelta(days=pick.uniform(-40, 70))])
        rows.append(EventRow(f"p{pick.randrange(150)}", event, edge + offset, source=source))
    for month in ("2026-10", "2026-11", "2026-12"):
        in_month = [row for row in rows if row.time.astimezone(ZoneInfo(timezone)).strftime("%Y-%m") == month]
        exempt = {("Acme Sent", "acme"), ("$identify", "x")}
        tracked = {row.person for row in in_month if (row.event, row.source) not in exempt}
        expected = len(tracked), len({row.person for row in in_month} - tracked)
        home = tmp_path / month
        home.mkdir()
        assert _counted(home, rows, month=month, timezone=timezone) == expected


def test_the_command_prints_the_month_as_json_and_as_a_sentence(workspace, cli):
    add_events(workspace, [EventRow("ann", "A", MID), EventRow("bob", "$identify", MID)])
    done = cli("mtu", "--month", "2026-11", "--json")
    assert json.loads(done.stdout) == {"month": "2026-11", "mtu": 1, "exempt_only": 1}
    assert "1 monthly tracked users" in cli("mtu", "--month", "2026-11").stdout
    assert cli("mtu", "--month", "2026-31").returncode == 2
