"""Message events from `GET /v1/messages`, a row a delivery: what happened before, and what webhooks missed.

The call selects by the time when a delivery was made, and a delivery gains opens for weeks: so the last day is read at
every pull, the last week hourly and the last month daily. Each reading begins before the last whole one ended, and its
place is kept page by page; a mark moves only when a reading has come to its end.
Source: https://docs.customer.io/integrations/api/app/#operation/listMessages
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hub import BatchRefused, Cursor, MatchOn, MessageEvent, Metric, Origin, PartnerUnavailable
from hub_customerio.api import Api
from hub_customerio.kinds import kind_of
from hub_customerio.settings import LONGEST_BACKFILL
from hub_customerio.told import REPEATABLE, instant, origin_of, shared_id, shown, whose

log = logging.getLogger(__name__)

Row = Mapping[str, Any]

LARGEST_PAGE = 1000
DAY = 86_400
_TIERS = ((30 * DAY, DAY), (7 * DAY, 3600), (DAY, 0))
"""Seconds that a reading goes back, and the seconds since the last such reading after which it is due."""
_OVERLAP = 3600
_CHANNELS = {"twilio": "sms"}
_FAILURES = {Metric.DEFERRED, Metric.BOUNCED, Metric.SKIPPED, Metric.FAILED}
_PASSED_ON = (
    "campaign_id", "broadcast_id", "newsletter_id", "transactional_message_id", "action_id", "parent_action_id",
    "content_id", "recipient", "subject",
)  # fmt: skip
_NAMED_BY = (
    ("campaign", "/v1/campaigns", "campaigns"),
    ("broadcast", "/v1/broadcasts", "broadcasts"),
    ("newsletter", "/v1/newsletters", "newsletters"),
    ("transactional", "/v1/transactional", "messages"),
)


async def pull(
    api: Api, cursor: Cursor, match_on: Sequence[MatchOn] = (), *, backfill: timedelta, repeatable: bool
) -> AsyncIterator[tuple[list[MessageEvent], Cursor]]:
    """The events of one reading, page by page, each with the cursor to go on from.

    `repeatable`: the first open and the first click of each delivery are told, too. Without it webhooks tell of all of
    them, by other ids: only those are told that were before webhooks began, which is when the last whole reading with
    them ended, or the first reading of all. The cursor is {marks: {seconds back: end of the last whole reading},
    opens_until, reading: {from, to, back, next}}.
    """
    marks = {str(back): int(at) for back, at in dict(cursor.get("marks") or {}).items()}
    reading = dict(cursor.get("reading") or {}) or _due(marks, int(time.time()), int(backfill.total_seconds()))
    begun = int(cursor.get("opens_until") or reading["to"])
    names = _Names(api)
    while True:
        rows, following = await _page(api, reading)
        events = [event for row in rows for event in _events(row, match_on, None if repeatable else begun)]
        named = [await names.given(event) for event in events]
        if not following or not rows:
            until = int(reading["to"]) if repeatable else begun
            yield named, {"marks": _moved(marks, reading), "opens_until": until}
            return
        if following == reading.get("next"):
            raise PartnerUnavailable("Customer.io told the same page of messages twice, and no end of them.")
        reading = {**reading, "next": following}
        yield named, {"marks": marks, "reading": reading, "opens_until": cursor.get("opens_until")}


def _due(marks: Mapping[str, int], at: int, backfill: int) -> dict[str, Any]:
    """What to read now: from where, to where, and how far back that counts as."""
    longest = _TIERS[0][0]
    if not marks:
        return {"from": at - backfill, "to": at, "back": longest}
    back = next(back for back, every in _TIERS if at - marks.get(str(back), 0) >= every)
    # whatever was made since the last whole reading, however long ago that was
    since = min(at - back, max(marks.values()) - _OVERLAP)
    return {"from": max(since, at - LONGEST_BACKFILL * DAY), "to": at, "back": back}


def _moved(marks: Mapping[str, int], reading: Mapping[str, Any]) -> dict[str, int]:
    """The marks after a whole reading: it stands for all that go less far back."""
    return {**marks, **{str(back): int(reading["to"]) for back, _ in _TIERS if back <= reading["back"]}}


async def _page(api: Api, reading: dict[str, Any]) -> tuple[list[Row], str]:
    params = {"start_ts": reading["from"], "end_ts": reading["to"], "limit": LARGEST_PAGE}
    if reading.get("next"):
        params["start"] = reading["next"]
    try:
        answer = await api.app_get("/v1/messages", params=params)
    except BatchRefused:
        if not reading.pop("next", ""):
            raise
        # the place in an old reading is not known any more: it is read from its beginning
        return await _page(api, reading)
    rows = answer.get("messages")
    if not isinstance(rows, list):
        raise PartnerUnavailable("Customer.io answered for messages without 'messages'.")
    return rows, str(answer.get("next") or "")


def _events(row: Row, match_on: Sequence[MatchOn], opens_until: int | None) -> Iterator[MessageEvent]:
    identifiers = row.get("customer_identifiers") or {"id": row.get("customer_id")}
    match, delivery = whose(identifiers, match_on), str(row.get("id") or "")
    if match is None or not delivery:  # somebody who was deleted for good
        return
    sort = str(row.get("type") or "")
    for metric, at in dict(row.get("metrics") or {}).items():
        kind, when = kind_of(_CHANNELS.get(sort, sort), metric), instant(at)
        if kind is None or when is None:
            if metric != "created":
                log.debug("Customer.io tells of a %s %s, which this plugin does not know", sort, metric)
            continue
        if kind.metric in REPEATABLE and opens_until is not None and at > opens_until:
            continue
        yield MessageEvent(
            kind=kind.kind,
            id=shared_id(delivery, metric),
            match=match,
            time=when,
            properties=_properties(row, identifiers, kind.metric),
            origin=origin_of(row),
            message=delivery,
        )


def _properties(row: Row, identifiers: Mapping[str, Any], metric: Metric) -> dict[str, Any]:
    told = shown(row, _PASSED_ON)
    if isinstance(email := identifiers.get("email"), str) and email.strip():
        told["$email"] = email.strip().lower()
    if metric in _FAILURES:
        told |= shown(row, ["failure_message"])
    if metric is Metric.BOUNCED:
        told["bounce_type"] = "hard"
    return told


class _Names:
    """The names of what messages are sent for, asked of the App API when the first of a sort is met."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, dict[str, str]] = {}

    async def given(self, event: MessageEvent) -> MessageEvent:
        """The event, with the name of its origin when Customer.io tells one."""
        if event.origin is None:
            return event
        sort, _, number = event.origin.id.partition(":")
        if sort not in self._known:
            self._known[sort] = await self._asked(sort)
        return replace(event, origin=Origin(event.origin.id, self._known[sort].get(number, "")))

    async def _asked(self, sort: str) -> dict[str, str]:
        path, field = next((path, field) for known, path, field in _NAMED_BY if known == sort)
        found: dict[str, str] = {}
        params: dict[str, Any] = {}
        while True:
            answer = await self._api.app_get(path, params=params)
            rows = [row for row in answer.get(field) or () if isinstance(row, dict) and "id" in row]
            found |= {str(row["id"]): str(row.get("name") or "") for row in rows}
            following = answer.get("next")
            if not following or not rows or following == params.get("start"):
                return found
            params = {"start": following}
