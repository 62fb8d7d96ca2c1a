"""Alert channels, how fresh a sync has to be, and its guards as part of a file: both ways, and with their secrets."""

from __future__ import annotations

import sys
from datetime import timedelta

import jsonschema
import pytest
import yaml

from hub.alerts.targets import COMMAND, SLACK, WEBHOOK, Target
from hub.connectors.signing import new_signing_secret
from hub.declared.file import read_hub_file
from hub.declared.schema import hub_file_schema
from hub.errors import UsageError
from tests.sync.conftest import tiny  # noqa: F401 - a fixture

FILE = f"""
version: 1
syncs:
  s:
    cohort: loyal
    connection: t
    every: 2h
    audience: A
    within: 4h
    guards: {{removals: 20%, growth: off, least: 25, changes: go}}
alerts:
  ops: {{webhook: "https://ops.example.invalid/hub", level: critical}}
  chat: {{slack: hooks.example.invalid}}
  pager: {{command: [{sys.executable}, -c, "pass  # page"], timeout: 1m}}
"""
SECRET, ADDRESS = new_signing_secret(), "https://hooks.example.invalid/services/T0/geheim"


def planned(hub, text, **options):
    return hub.plan_file(read_hub_file(text, "hub.yaml"), **options)


def applied(hub, text, **options):
    return hub.apply_file(read_hub_file(text, "hub.yaml"), **options)


def told(plan) -> dict[str, dict[str, tuple]]:
    return {entry.name: {each.name: (each.before, each.after) for each in entry.fields} for entry in plan.to_do}


@pytest.fixture
def secrets(monkeypatch):
    """The secrets of the file's channels, in the environment."""
    monkeypatch.setenv("HUB_ALERT_OPS_SECRET", SECRET)
    monkeypatch.setenv("HUB_ALERT_CHAT_URL", ADDRESS)
    return monkeypatch


def test_who_is_told_and_what_a_sync_lets_pass_is_planned_applied_exported_and_changed_in_place(tiny, secrets):  # noqa: F811
    plan = applied(tiny, FILE)
    assert told(plan)["s"] == {
        "within": ("usual", "4h"),
        "guards.removals": (None, "20%"),
        "guards.growth": (None, "off"),
        "guards.least": (None, 25),
        "guards.changes": (None, "go"),
    }
    assert told(plan)["ops"] == {"webhook": (None, "https://ops.example.invalid/hub"), "level": (None, "critical")}
    assert "geheim" not in repr(plan) and SECRET not in repr(plan)
    thresholds = tiny.syncs.guard("s")
    assert (thresholds.removals, thresholds.growth, thresholds.least, thresholds.changes) == (0.2, None, 25, False)
    assert thresholds.shrink == 0.5 and tiny.syncs.get("s").freshness.within == timedelta(hours=4)
    channels = tiny.alerts.channels
    assert {each.name: (each.kind, each.level) for each in channels.list()} == {
        "chat": (SLACK, "warning"),
        "ops": (WEBHOOK, "critical"),
        "pager": (COMMAND, "warning"),
    }
    assert (channels.secret("ops"), channels.secret("chat")) == (SECRET, ADDRESS)

    exported = tiny.export()
    assert "# its secret comes from HUB_ALERT_OPS_SECRET\n" in exported
    assert "# its address comes from HUB_ALERT_CHAT_URL\n" in exported
    assert "geheim" not in exported and SECRET not in exported
    check = jsonschema.Draft202012Validator(hub_file_schema())
    for text in (FILE.replace("growth: off", "growth: 'off'"), exported):
        assert [*check.iter_errors(yaml.safe_load(text))] == []
    secrets.delenv("HUB_ALERT_CHAT_URL")
    for text in (FILE, exported):
        assert applied(tiny, text, prune=True).to_do == ()

    changed = (
        FILE.replace("within: 4h", "within: usual")
        .replace("removals: 20%, growth: off", "growth: 150%")
        .replace("level: critical", "level: warning")
        .replace("timeout: 1m", "timeout: 2m")
    )
    assert told(applied(tiny, changed)) == {
        "s": {"within": ("4h", "usual"), "guards.growth": ("off", "150%"), "guards.removals": ("20%", None)},
        "ops": {"level": ("critical", "warning")},
        "pager": {"timeout": ("1m", "2m")},
    }
    assert (tiny.syncs.guard("s").removals, tiny.syncs.guard("s").growth) == (None, 1.5)
    assert tiny.syncs.get("s").freshness.within is None
    assert applied(tiny, changed).to_do == applied(tiny, tiny.export()).to_do == ()

    without = changed[: changed.index("    within")] + "alerts: {}\n"
    assert [each.action for each in applied(tiny, without, prune=True).to_do] == ["remove"] * 3
    assert channels.list() == [] and tiny.syncs.guard("s").growth == 1.5, "guards that are not spoken of stay"


def test_secrets_of_channels_are_needed_renewed_and_held_against_the_file(tiny, secrets):  # noqa: F811
    secrets.delenv("HUB_ALERT_OPS_SECRET")
    secrets.delenv("HUB_ALERT_CHAT_URL")
    assert planned(tiny, FILE).needs == ("HUB_ALERT_OPS_SECRET", "HUB_ALERT_CHAT_URL")
    with pytest.raises(UsageError, match="HUB_ALERT_OPS_SECRET, HUB_ALERT_CHAT_URL"):
        applied(tiny, FILE)
    assert tiny.alerts.channels.list() == [] and tiny.syncs.get("s").freshness.within is None

    secrets.setenv("HUB_ALERT_OPS_SECRET", "geheim")
    secrets.setenv("HUB_ALERT_CHAT_URL", "https://elsewhere.invalid/geheim")
    with pytest.raises(UsageError) as wrong:
        planned(tiny, FILE)
    assert "line 12: alerts.ops.webhook: HUB_ALERT_OPS_SECRET: This secret cannot sign" in wrong.value.message
    assert "alerts.chat.slack: is hooks.example.invalid, and HUB_ALERT_CHAT_URL leads to elsewhere" in str(wrong.value)
    assert "geheim" not in wrong.value.message

    secrets.setenv("HUB_ALERT_OPS_SECRET", SECRET)
    secrets.setenv("HUB_ALERT_CHAT_URL", ADDRESS)
    applied(tiny, FILE)
    tiny.alerts.channels.rotate("ops")
    both = tiny.alerts.channels.secret("ops")
    secrets.setenv("HUB_ALERT_OPS_SECRET", both)
    applied(tiny, FILE.replace("invalid/hub", "invalid/hub2"))
    assert "old_until" in tiny.alerts.channels.get("ops").settings, "the old secret still ends when it was to"
    secrets.setenv("HUB_ALERT_OPS_SECRET", new := new_signing_secret())
    secrets.setenv("HUB_ALERT_CHAT_URL", f"{ADDRESS}/2")
    assert told(applied(tiny, FILE.replace("invalid/hub", "invalid/hub2"))) == {
        "ops": {"secret": ("(secret)", "(secret, from HUB_ALERT_OPS_SECRET)")},
        "chat": {"address": ("(secret)", "(secret, from HUB_ALERT_CHAT_URL)")},
    }
    assert (tiny.alerts.channels.secret("ops"), tiny.alerts.channels.secret("chat")) == (new, f"{ADDRESS}/2")


def test_nothing_is_half_applied_and_what_belongs_to_another_machine_stays_its_own(tiny, secrets):  # noqa: F811
    inside = FILE.replace("https://ops.example.invalid/hub", "http://127.0.0.1:9/hub")
    with pytest.raises(UsageError) as refused:
        applied(tiny, inside)
    assert refused.value.message.startswith("hub.yaml, line 12: alerts.ops.webhook: the address 127.0.0.1 leads to")
    assert "HUB_ALLOW_PRIVATE" in refused.value.hint
    assert tiny.alerts.channels.list() == [] and tiny.syncs.get("s").freshness.within is None

    applied(tiny, FILE)
    secrets.setattr("hub.declared.alerts.this_host", lambda: "another")
    assert planned(tiny, FILE).to_do == ()
    assert told(planned(tiny, FILE.replace("timeout: 1m", "timeout: 1m, level: critical"))) == {
        "pager": {"level": ("warning", "critical")}
    }
    with pytest.raises(UsageError, match=r"alerts.pager.command: is run by the machine .*, and has to be changed"):
        planned(tiny, FILE.replace("# page", "# page twice"))
    with pytest.raises(UsageError, match=r"line 12: alerts.ops: the channel is one of the kind webhook, and cannot"):
        planned(tiny, FILE.replace('webhook: "https://ops.example.invalid/hub"', "slack: hooks.example.invalid"))


def test_a_channel_of_a_command_is_bound_to_where_it_was_applied(hub):
    text = f"version: 1\nalerts:\n  p: {{command: [{sys.executable}]}}\n"
    (made,) = applied(hub, text).to_do
    assert made.notes[0].startswith("It runs on this machine alone, ")
    hub.alerts.channels.edit("p", target=Target(COMMAND, argv=(sys.executable, "-V")))
    assert told(planned(hub, text)) == {"p": {"command": ([sys.executable, "-V"], [sys.executable])}}
