"""Events of Currents as Braze would tell them: of a campaign to some users, or one of each type, as its test sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hub_braze.kinds import BY_KIND, MESSAGES, SUBSCRIBED, UNSUBSCRIBED
from hub_braze.sandbox.workspace import Workspace

Event = dict[str, Any]
_WORKSPACE = "d2f0a6b8-0000-4a1b-9c2d-3e4f50617283"
_UNASKED = ("Send", "Delivery", "Bounce")
_READER = {
    "user_agent": "Mozilla/5.0", "device_class": "phone", "device_os": "iOS", "device_model": "iPhone",
    "browser": "Mail", "mailbox_provider": "Apple", "esp": "sparkpost", "from_domain": "mail.example.com",
    "is_amp": False,
}  # fmt: skip


def campaign(
    workspace: Workspace, name: str, users: Sequence[Mapping[str, Any]], at: int, *, quiet: bool = False
) -> list[Event]:
    """What becomes of a mail to `users`, sent at `at` (seconds since 1970), always the same.

    Of ten people one bounces. Every second of the others opens, half of those by a machine; every fourth clicks; one of
    twenty unsubscribes. Both lists of addresses follow. With `quiet` nobody opens, nor does what follows from that.
    """
    campaign_id = str(uuid5(NAMESPACE_URL, f"campaign:{name}"))
    sent = {"campaign_id": campaign_id, "campaign_name": name, "dispatch_id": uuid5(NAMESPACE_URL, f"{name}:{at}").hex}
    events: list[Event] = []
    for place, user in enumerate(users):
        for seconds, what, more in _fate(place):
            if quiet and what not in _UNASKED:
                continue
            events.append(_event(f"email.{what}", user, at + seconds, {**sent, "ip_pool": "main", **more}))
            if what in ("Bounce", "Unsubscribe"):
                kept = "hard_bounces" if what == "Bounce" else "unsubscribes"
                row = (kept, user["email"], at + seconds)
                workspace.db.execute("INSERT OR REPLACE INTO addresses VALUES (?, ?, ?)", row)
    return events


def one_of_each(user: Mapping[str, Any], at: int) -> list[Event]:
    """One event of every type that the connector knows, as "Send test events" of a Current posts."""
    types = sorted({kind.removesuffix(UNSUBSCRIBED).removesuffix(SUBSCRIBED) for kind in BY_KIND})
    return [_event(named.removeprefix(MESSAGES), user, at, {"campaign_id": "test"}, whole=named) for named in types]


def flat(event: Event) -> Event:
    """An event as files have it: without nesting, and without its type, which the path names."""
    return {"id": event["id"], "time": event["time"], **event["user"], **event["properties"]}


def _fate(place: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    yield 0, "Send", {}
    if place % 10 == 9:
        yield 5, "Bounce", {"bounce_reason": "550 no such user", "esp": "sparkpost", "is_drop": False}
        return
    yield 5, "Delivery", {"esp": "sparkpost", "from_domain": "mail.example.com"}
    if place % 2 == 0:
        yield 60, "Open", {**_READER, **({"machine_open": "true"} if place % 4 == 2 else {})}
    if place % 4 == 0:
        bot = {"is_suspected_bot_click": place % 8 == 4}
        yield 90, "Click", {**_READER, **bot, "url": "https://shop.example.com/offer", "link_alias": "offer"}
    if place % 20 == 0:
        yield 120, "Unsubscribe", {}


def _event(what: str, user: Mapping[str, Any], at: int, told: dict[str, Any], *, whole: str = "") -> Event:
    about: dict[str, Any] = {"app_group_id": _WORKSPACE, **told}
    if what.startswith("email."):
        about["email_address"] = user["email"]
    named = whole or MESSAGES + what
    key = f"{named}|{user['braze_id']}|{at}|{told.get('campaign_id')}|{told.get('dispatch_id')}"
    return {
        "event_type": named,
        "id": str(uuid5(NAMESPACE_URL, key)),
        "time": at,
        "user": {"user_id": user["braze_id"], "external_user_id": user["external_id"], "timezone": "Europe/Oslo"},
        "properties": about,
    }
