"""A hub that stands still: the same connections, cohorts, syncs and runs on every machine and at every time.

The screens are looked at with it (snapshots, a thousand rows); what they do is tried with a real hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hub.alerts.channels import Channel
from hub.alerts.model import OpenAlert
from hub.alerts.muting import Mute
from hub.connectors.connection import Connection
from hub.connectors.contract import Option
from hub.connectors.fields import SettingField
from hub.errors import CredentialRefused, HubError
from hub.sync.models import Rejected, Run, Sync
from hub.sync.schedule import Every, Once
from hub.sync.states import RunState
from tests.tui.fake_alerts import ALERTS, CHANNELS, MUTES, NOW, freshness

ZONE = "Europe/Oslo"


@dataclass(frozen=True)
class FakeCohort:
    id: int
    name: str
    description: str
    version: int
    size: int | None
    evaluated_at: datetime | None
    text: str = ""


def connection(name: str = "eu-main", **changes: Any) -> Connection:
    known = Connection(
        id=1,
        name=name,
        connector="mailchimp",
        label="Mailchimp",
        state="connected",
        message="",
        account="Fjord Coffee",
        checked_at=NOW - timedelta(minutes=12),
        created_at=NOW - timedelta(days=40),
        settings={"audience": "a1b2c3", "create_contacts": False},
    )
    return replace(known, **changes)


def run(number: int = 1, **changes: Any) -> Run:
    known = Run(
        id=number,
        sync="winback-eu-main",
        audience="hub: winback",
        state=RunState.DONE,
        trigger="schedule",
        as_of=NOW - timedelta(minutes=20),
        created_at=NOW - timedelta(minutes=20),
        finished_at=NOW - timedelta(minutes=19),
        resumed=0,
        qualified=48_211,
        skipped={"no $email": 412, "shared key": 7},
        to_add=1_204,
        to_update=310,
        to_remove=96,
        unchanged=46_182,
        parked=3,
        added=1_201,
        updated=310,
        removed=96,
        rejected=3,
        owed=0,
        batches=4,
        batches_done=4,
        lost_answers=0,
        timings={"evaluate": 0.84, "plan": 0.31, "deliver": 52.4, "settle": 1.2},
        message="",
        hint="",
        plan_digest="",
    )
    return replace(known, **changes)


def sync(name: str = "winback-eu-main", **changes: Any) -> Sync:
    known = Sync(
        id=1,
        name=name,
        cohort="winback",
        connection="eu-main",
        audience="hub: winback",
        schedule=Every(timedelta(hours=2)),
        mapping={"FNAME": "$first_name"},
        state="active",
        message="",
        next_run_at=NOW + timedelta(minutes=100),
        missed=0,
        created_at=NOW - timedelta(days=30),
        last_run=run(41),
        freshness=freshness(),
    )
    return replace(known, **changes)


def rejected(number: int = 1) -> Rejected:
    return Rejected(
        person=f"person-{number}",
        key=f"nobody{number}@example.com",
        action="add",
        reason="nobody@example.com looks fake or invalid, please enter a real email address.",
        code="ERROR_GENERIC",
        tries=2,
        last_at=NOW - timedelta(minutes=20),
        retry_at=NOW + timedelta(days=6),
    )


FIELDS = [
    SettingField("api_key", "API key", "Copy the whole key from Mailchimp: your profile, Extras, API keys.", "secret",
                 True, "", variable="HUB_MAILCHIMP_API_KEY"),
    SettingField("audience", "Audience", "The Mailchimp audience (list) whose contacts get the tags.", "options",
                 True, "", variable="HUB_MAILCHIMP_AUDIENCE"),
    SettingField("create_contacts", "Create contacts", "Whether people who are not there yet are added.", "yes-no",
                 False, "no", variable="HUB_MAILCHIMP_CREATE_CONTACTS"),
    SettingField("new_contact_status", "Status of new contacts", "The status that created contacts get.", "choice",
                 False, "subscribed", choices=("subscribed", "pending"), variable="HUB_MAILCHIMP_NEW_CONTACT_STATUS"),
    SettingField("base_url", "Base url", "", "text", False, "", variable="HUB_MAILCHIMP_BASE_URL"),
]  # fmt: skip

REFUSED = CredentialRefused(
    "Mailchimp refused the API key: API Key Invalid. Your API key may be invalid, or you've attempted to access "
    "the wrong datacenter.",
    hint="Renew the credential of this connection.",
)


@dataclass
class FakeHub:
    """Answers what it was given; `away` is raised by every reading, when set."""

    connections_known: list[Connection] = field(default_factory=list)
    cohorts_known: list[FakeCohort] = field(default_factory=list)
    syncs_known: list[Sync] = field(default_factory=list)
    runs_known: list[Run] = field(default_factory=list)
    rejected_known: list[Rejected] = field(default_factory=list)
    alerts_known: list[OpenAlert] = field(default_factory=list)
    mutes_known: list[Mute] = field(default_factory=list)
    channels_known: list[Channel] = field(default_factory=list)
    options_known: list[Option] = field(default_factory=lambda: [Option("a1b2c3", "Newsletter")])
    away: HubError | None = None
    runner: Callable[..., Any] | None = None

    @property
    def workspace(self) -> Any:
        return SimpleNamespace(project=SimpleNamespace(name="default", timezone=ZONE))

    @property
    def plugins(self) -> Any:
        kind = SimpleNamespace(
            name="mailchimp",
            label="Mailchimp",
            limits=SimpleNamespace(default_interval=timedelta(hours=2)),
            Settings=SimpleNamespace(model_fields={}),
        )
        return SimpleNamespace(connectors={"mailchimp": kind}, found=(), connector=lambda name: kind)

    @property
    def connections(self) -> Any:
        return _Connections(self)

    @property
    def cohorts(self) -> Any:
        return SimpleNamespace(
            list=lambda: self.answered(self.cohorts_known),
            count=lambda name: SimpleNamespace(count=48_211, evaluated_at=NOW),
        )

    @property
    def syncs(self) -> Any:
        return SimpleNamespace(
            list=lambda: self.answered(self.syncs_known),
            runs=lambda name="", limit=100: [
                each for each in self.answered(self.runs_known) if name in ("", each.sync)
            ][:limit],
            rejected=lambda run_id, limit=200: self.answered(self.rejected_known)[:limit],
            run=self.runner,
            find=self._sync,
            get=self._sync,
        )

    @property
    def alerts(self) -> Any:
        return SimpleNamespace(
            look=lambda: None,
            open=lambda: self.answered(self.alerts_known),
            mutes=lambda: self.answered(self.mutes_known),
            channels=SimpleNamespace(list=lambda: self.answered(self.channels_known)),
        )

    def _sync(self, name: str) -> Sync:
        return next(each for each in self.syncs_known if each.name == name)

    def answered(self, known: list[Any]) -> list[Any]:
        if self.away:
            raise self.away
        return list(known)


class _Connections:
    def __init__(self, hub: FakeHub) -> None:
        self._hub = hub

    def list(self) -> list[Connection]:
        return self._hub.answered(self._hub.connections_known)

    def fields(self, connector: str) -> list[SettingField]:
        return FIELDS

    async def options(self, connector: str, values: Mapping[str, Any], setting: str) -> list[Option]:
        if values.get("api_key") != "right":
            raise REFUSED
        return self._hub.options_known

    async def add(self, connector: str, name: str, values: Mapping[str, Any], *, match: str = "") -> Connection:
        if values.get("api_key") != "right":
            raise REFUSED
        self._hub.connections_known.append(connection(name))
        return connection(name)


def full() -> FakeHub:
    """A hub with something of everything."""
    broken = CredentialRefused("API Key Invalid")
    under_way = run(
        43, state=RunState.DELIVERING, finished_at=None, created_at=NOW - timedelta(seconds=75), batches=24,
        batches_done=9, added=4_500, updated=0, removed=0, rejected=0, trigger="manual", sync="onboarding-eu-main",
    )  # fmt: skip
    failed = run(
        42, state=RunState.FAILED, sync="vip-us-shop", added=500, updated=0, removed=0, rejected=0, owed=1_204,
        lost_answers=1, message="Mailchimp answered 503 to every attempt.", hint="The rest goes out with the next run.",
        created_at=NOW - timedelta(hours=2), finished_at=NOW - timedelta(hours=2) + timedelta(seconds=185),
    )  # fmt: skip
    older = [
        run(number, created_at=NOW - timedelta(hours=2 * (42 - number)), added=number * 3, rejected=0,
            finished_at=NOW - timedelta(hours=2 * (42 - number)) + timedelta(seconds=48))
        for number in range(40, 4, -1)
    ]  # fmt: skip
    return FakeHub(
        connections_known=[
            connection(),
            connection("us-shop", id=2, state="refused", message=f"{broken.message}. Renew the credential.",
                       account="Fjord Coffee US", checked_at=NOW - timedelta(hours=3)),
            connection("test", id=3, state="unreachable", message="127.0.0.1 cannot be reached: connection refused",
                       account="", checked_at=NOW - timedelta(days=2)),
            connection("old", id=4, state="wrong", message="The audience a1b2c3 was deleted at Mailchimp."),
        ],
        cohorts_known=[
            FakeCohort(1, "winback", "Bought three times, and has not opened the app for a month", 3, 48_211,
                       NOW - timedelta(minutes=20)),
            FakeCohort(2, "vip", "", 1, 1_204_311, NOW - timedelta(hours=5)),
            FakeCohort(3, "onboarding", "Signed up this week", 1, None, None),
        ],
        syncs_known=[
            sync("onboarding-eu-main", id=2, cohort="onboarding", schedule=Every(timedelta(minutes=30)),
                 last_run=under_way, next_run_at=NOW - timedelta(minutes=4), audience="hub: onboarding", missed=2,
                 freshness=freshness("late", 95)),
            sync("once", id=3, cohort="vip", schedule=Once(), state="done", next_run_at=None,
                 last_run=run(7, rejected=0), freshness=freshness("")),
            sync("vip-us-shop", id=4, cohort="vip", connection="us-shop", state="stopped", next_run_at=None,
                 message="Stopped by hand.", last_run=failed, freshness=freshness("")),
            sync(),
        ],
        runs_known=[under_way, failed, run(41), *older],
        rejected_known=[rejected(number) for number in range(1, 4)],
        alerts_known=ALERTS,
        mutes_known=MUTES,
        channels_known=CHANNELS,
    )  # fmt: skip
