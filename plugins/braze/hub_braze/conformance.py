"""The two Braze connectors, as the conformance suite is told of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from hub import Audience, InboundRequest, Member
from hub.testing.conformance import Subject
from hub.testing.sandbox import Running
from hub_braze.cohorts import BrazeCohorts
from hub_braze.connector import Braze
from hub_braze.sandbox import BrazeSandbox, partner_settings

PEOPLE = 3000
TOKEN = "token-of-a-sandbox-0001"
_UNSIGNED = {"door-refuses-a-changed-byte": "Braze signs nothing: a bearer token proves who sends."}
_BATCH = {
    "events": [
        {
            "event_type": "users.messages.email.Open",
            "id": "a1f0c5d2-7b53-4e0c-9b6e-5c1f0e8d2a77",
            "time": 1763800000,
            "user": {"user_id": "5f8d04e2c9b1a7001c3e9a11", "external_user_id": "person-1"},
            "properties": {"email_address": "person1@example.com", "machine_open": "true"},
        }
    ]
}


def _at_once(folder: Path) -> BrazeSandbox:
    return BrazeSandbox(folder, lag=0)


class _ForPartners(BrazeSandbox):
    """The same, with the settings of the other connector."""

    def settings(self, url: str) -> dict[str, str]:
        """The keys of the partner that the sandbox knows."""
        return partner_settings(url)


def _partners_at_once(folder: Path) -> BrazeSandbox:
    return _ForPartners(folder, lag=0)


def _users(partner: Running) -> None:
    partner.admin.post("/users", {"users": [{"external_id": f"person-{number}"} for number in range(PEOPLE)]})


def _with_attribute(partner: Running, audience: Audience) -> Iterable[Member]:
    users = partner.admin.get("/users", attribute=audience.ref["attribute"], value="true")["users"]
    return [Member(user["external_id"], match="$braze_external_id") for user in users]


def _in_cohort(partner: Running, audience: Audience) -> Iterable[Member]:
    users = partner.admin.get(f"/cohorts/{audience.ref['cohort']}/members")["members"]
    return [Member(user["external_id"], match="$braze_external_id") for user in users]


def _unsubscribed(partner: Running) -> int:
    """Six hundred unsubscribes, which are two pages, and a bounce."""
    now = time.time_ns()
    emails = [f"{now}-{number}@example.com" for number in range(600)]
    partner.admin.post("/addresses", {"list": "unsubscribes", "emails": emails})
    partner.admin.post("/addresses", {"list": "hard_bounces", "emails": emails[:1]})
    return len(emails) + 1


def _until(seconds: int) -> Mapping[str, str]:
    return {"x-ratelimit-reset": str(int(time.time()) + seconds)}


def _posted(settings: Any, at: datetime) -> InboundRequest:
    token = settings.currents_tokens.get_secret_value().split()[0]
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return InboundRequest("POST", headers, {}, orjson.dumps(_BATCH), at)


BRAZE = Subject(
    connector=Braze,
    sandbox=_at_once,
    bad_credentials=[{"api_key": "00000000-0000-0000-0000-000000000000"}],
    prepare=_users,
    refused=Member("nil", match="$braze_external_id"),
    value=("plan", "pro"),
    held=_with_attribute,
    wait_hint=_until,
    happen=_unsubscribed,
)
"""Polls, because no token is set: the door is that of the other one."""

BRAZE_COHORTS = Subject(
    connector=BrazeCohorts,
    sandbox=_partners_at_once,
    bad_credentials=[
        {"partner_api_key": "pk-of-another-cluster"},
        {"client_secret": "cs-of-another-workspace"},
    ],
    settings={"currents_tokens": TOKEN},
    prepare=_users,
    held=_in_cohort,
    wait_hint=_until,
    signed=_posted,
    wrong_keys=[{"currents_tokens": "another-token-of-a-sandbox"}],
    window=None,
    without=_UNSIGNED,
)
