"""A hub with loyal customers, connected to a sandbox partner that knows them."""

from __future__ import annotations

import pytest

from tests.people import LOYAL, buy, describe, email

NAMES = [f"p{number:03}" for number in range(40)]


@pytest.fixture
async def connected(hub, partner, tmp_path):
    """The hub with forty loyal customers, a cohort `loyal`, and a connection `news` whose audience has them all."""
    buy(hub, tmp_path, NAMES)
    describe(hub, tmp_path, NAMES, plan="pro")
    hub.cohorts.add("loyal", LOYAL)
    await hub.connections.add("mailchimp", "news", partner.settings)
    know(partner, NAMES)
    return hub


def know(partner, names) -> None:
    """Let the partner's audience have these people, subscribed."""
    partner.admin.post(
        "/contacts",
        {"list_id": "a6b5da1054", "contacts": [{"email": email(name), "status": "subscribed"} for name in names]},
    )


def tagged(partner, tag: str = "hub: loyal") -> set[str]:
    """Who has the tag, by the partner's own word."""
    return {*partner.admin.get(f"/tags/{tag}/members")["emails"]}


def in_cohort(hub, name: str = "loyal") -> set[str]:
    """Who is in the cohort, by `hub cohort members`."""
    return {member["email"] for member in hub.cohorts.members(name)}
