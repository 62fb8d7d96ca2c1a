"""Freshness, alerts, mutes and channels that stand still, for the hub of `tests.tui.fakes`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.alerts.channels import Channel
from hub.alerts.model import OpenAlert
from hub.alerts.muting import Mute
from hub.sync.freshness import Freshness
from hub.sync.latency import Latency

NOW = datetime(2026, 11, 23, 9, 5, tzinfo=UTC)


def freshness(state: str = "fresh", minutes: int = 20, **changes: Any) -> Freshness:
    since = NOW - timedelta(minutes=minutes)
    known = Freshness(
        state=state,
        delivered_to=since,
        age=NOW - since,
        late_at=since + timedelta(hours=1) if state else None,
        stale_at=since + timedelta(hours=2) if state else None,
        within=None,
        owed=0,
        parked=3,
        latency=Latency({47: 1_100, 60: 500, 76: 11}, unmeasured=0),
    )
    return replace(known, **changes)


def alert(number: int = 1, **changes: Any) -> OpenAlert:
    known = OpenAlert(
        key=f"sync_failed:{number}",
        kind="sync_failed",
        level="warning",
        subject="vip-us-shop",
        sync="vip-us-shop",
        said="Run 42 of the sync vip-us-shop failed. 1,204 members are owed and go out with the next run.",
        hint="`hub sync show vip-us-shop` says why.",
        since=NOW - timedelta(hours=2),
        told=True,
        muted=False,
    )
    return replace(known, **changes)


def channel(name: str = "ops", **changes: Any) -> Channel:
    known = Channel(
        id=1,
        name=name,
        kind="webhook",
        level="warning",
        shown="https://ops.example/hub",
        host="",
        warning="",
        created_at=NOW - timedelta(days=12),
        waiting=0,
        last_state="sent",
        answer="200 OK",
        last_at=NOW - timedelta(hours=2),
        settings={"url": "https://ops.example/hub"},
    )
    return replace(known, **changes)


ALERTS = [
    alert(
        2,
        key="connection_stopped:2",
        kind="connection_stopped",
        level="critical",
        subject="us-shop",
        sync="",
        said="The connection us-shop is stopped: the partner refuses its credential. No sync to it runs.",
        hint="Mend it with `hub connection edit us-shop`.",
        since=NOW - timedelta(hours=3),
        told=True,
    ),
    alert(),
    alert(
        3,
        key="sync_not_fresh:2",
        kind="sync_not_fresh",
        subject="onboarding-eu-main",
        sync="onboarding-eu-main",
        since=NOW - timedelta(minutes=35),
        told=False,
        muted=True,
        said="The sync onboarding-eu-main is late: changes since 2026-11-23 08:30 CET may not be there.",
        hint="`hub sync show onboarding-eu-main` says how its last runs ended.",
    ),
]
MUTES = [
    Mute("onboarding-eu-main", NOW + timedelta(hours=2), "ada", "migration of the shop"),
    Mute("once", NOW + timedelta(days=2), "ada", ""),
]
CHANNELS = [
    channel(
        "chat",
        id=2,
        kind="slack",
        shown="hooks.slack.com (address kept secret)",
        waiting=3,
        last_state="waiting",
        answer="hooks.slack.com answered 503.",
        settings={"host": "hooks.slack.com"},
        last_at=NOW - timedelta(minutes=4),
    ),
    channel(),
    channel(
        "pager",
        id=3,
        kind="command",
        level="critical",
        shown="/usr/local/bin/page --team ops",
        host="hub-2",
        warning="It is a command of the machine hub-2: only that one runs it.",
        last_state="given up",
        answer="/usr/local/bin/page ended with 1: no such team.",
        settings={"argv": ["/usr/local/bin/page", "--team", "ops"], "timeout_seconds": 30},
    ),
]
