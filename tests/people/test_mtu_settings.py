"""Settings that add and remove exempt pairs: how they are written, and what they change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hub.connectors.plugins import load_plugins
from hub.errors import UsageError
from hub.people.exemptions import exemptions
from hub.people.mtu import mtu
from hub.settings import Settings, load
from tests.lake_rows import EventRow, add_events

MID = datetime(2026, 11, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "pair"),
    [
        ("mailchimp: Mailchimp - Replied", ("mailchimp", "Mailchimp - Replied")),
        ("Cron Tick", (None, "Cron Tick")),
        ("app:open", (None, "app:open")),
        ("*: Order: Paid", (None, "Order: Paid")),
        ("acme: Order: Paid", ("acme", "Order: Paid")),
        ("*: Ends with:", (None, "Ends with:")),
        ("  acme :  Blanks around ", ("acme", "Blanks around")),
        ("källa: Händelse ✓", ("källa", "Händelse ✓")),
    ],
)
def test_an_entry_is_a_source_and_an_event_or_an_event_of_any_source(written, pair):
    assert Settings(mtu_exempt_add=[written]).mtu_exempt_add == (pair,)


def test_the_environment_holds_a_list_in_json_and_hub_toml_a_list(tmp_path, monkeypatch):
    (tmp_path / "hub.toml").write_text('mtu_exempt_remove = ["braze: Email Send"]\nmtu_exempt_add = ["Old"]\n')
    monkeypatch.setenv("HUB_MTU_EXEMPT_ADD", '["mailchimp: Mailchimp - Replied", "Cron Tick"]')

    found = load(tmp_path)

    assert found.mtu_exempt_add == (("mailchimp", "Mailchimp - Replied"), (None, "Cron Tick"))
    assert found.mtu_exempt_remove == (("braze", "Email Send"),)


def test_an_empty_variable_is_an_empty_list(tmp_path, monkeypatch):
    monkeypatch.setenv("HUB_MTU_EXEMPT_ADD", " ")

    assert load(tmp_path).mtu_exempt_add == ()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('["Fine", "mailchimp:"]', r"entry 2, 'mailchimp:', names no event"),
        ('[": Sent"]', r"entry 1, ': Sent', names no source"),
        ('[" "]', r"entry 1, ' ', names no event"),
        ('["A", 7]', r"entry 2, 7, is not a text"),
        ("Cron Tick", r"'Cron Tick' is not a list such as"),
        ('{"a": 1}', r"is not a list such as"),
        ("[" * 5000, r"is not a list such as"),
    ],
)
def test_a_wrong_entry_is_named_with_its_setting(tmp_path, monkeypatch, written, said):
    monkeypatch.setenv("HUB_MTU_EXEMPT_REMOVE", written)

    with pytest.raises(UsageError, match=rf"^The setting mtu_exempt_remove is wrong: .*{said}") as told:
        load(tmp_path)
    assert "HUB_MTU_EXEMPT_REMOVE" in told.value.hint


def test_settings_change_who_counts(workspace):
    add_events(
        workspace,
        [
            EventRow("ann", "Cron Tick", MID),
            EventRow("bob", "Email Send", MID, source="braze"),
            EventRow("cid", "Replied", MID, source="acme"),
            EventRow("dot", "Replied", MID, source="other"),
        ],
    )
    changed = Settings(mtu_exempt_add=["Cron Tick", "acme: Replied"], mtu_exempt_remove=["braze: Email Send"])
    settled = replace(workspace, settings=changed.model_copy(update={"home": workspace.settings.home}))

    plain, found = (mtu(each, "2026-11", by_source=True) for each in (workspace, settled))

    assert (plain.mtu, plain.exempt_only, plain.by_source) == (3, 1, {"": 1, "acme": 1, "other": 1})
    assert (found.mtu, found.exempt_only, found.by_source) == (2, 2, {"braze": 1, "other": 1})


def test_an_event_without_a_source_is_removed_from_every_source():
    changed = exemptions(add=[("acme", "Sent"), (None, "Sent")], remove=[(None, "Sent"), ("acme", "Sent")])

    assert not changed.cover("acme", "Sent")
    assert not changed.cover(None, "Sent")
    assert changed.warnings() == []


def test_removing_what_is_not_exempt_warns_and_tells_what_would_do():
    changed = exemptions(remove=[(None, "Purchase"), ("braze", "email send"), ("acme", "$identify")])

    purchase, wrong_case, too_narrow = changed.warnings()
    assert "'Purchase'" in purchase
    assert "'braze: email send'" in wrong_case
    assert "case matters" in wrong_case
    assert "exempt from every source; to count it, remove '$identify'" in too_narrow
    assert changed.cover("acme", "$identify")


def test_every_pair_tells_who_named_it_first():
    known = {
        each.pair: each
        for each in exemptions(load_plugins().message_events(), add=[(None, "X"), (None, "$merge")]).in_force
    }

    assert known[None, "X"].origin == "setting"
    assert known[None, "$merge"].origin == "page"
    assert known["mailchimp", "Mailchimp - Sent To"].origin == "connector"
    assert all(each.page.startswith("https://") for each in known.values() if each.origin != "setting")


# https://docs.mixpanel.com/docs/cohort-sync/integrations/mailchimp, then .../docs/pricing/legacy-mtu-billing
@pytest.mark.parametrize(
    "event",
    [
        *("Mailchimp - Opened Campaign", "Mailchimp - Clicked Campaign Url", "Mailchimp - Sent To"),
        *("Mailchimp - Unsubscribed", "Mailchimp - Bounced"),
        *("Mailchimp Campaign - Open", "Mailchimp Campaign - Click", "Mailchimp Campaign - Sent"),
        *("Mailchimp Campaign - Unsubscribed", "Mailchimp Campaign - Bounce"),
    ],
)
def test_mailchimps_events_are_exempt_in_the_spellings_of_both_pages(event):
    found = exemptions(load_plugins().message_events())

    assert found.cover("mailchimp", event)
    assert not found.cover(None, event)
    assert not found.cover("Mailchimp", event)
