"""What the REST API tells of addresses, for who has not bought Currents: unsubscribed, and hard bounced.

Source: https://www.braze.com/docs/api/endpoints/email/get_query_unsubscribed_email_addresses/ and
.../get_query_hard_bounces/. Days are of UTC; a window begins a day before the last one ended, and what comes again has
the id that it had.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any

from hub import Cursor, MessageEvent, PartnerClient, PartnerUnavailable
from hub.clock import now as clock_now
from hub_braze.kinds import EMAIL_BOUNCE, EMAIL_UNSUBSCRIBE
from hub_braze.refusals import NotPermitted

ROWS_A_PAGE = 500
FIRST_WINDOW = timedelta(days=30)
OVERLAP = timedelta(days=1)

_CALLS = (
    ("/email/unsubscribes", "unsubscribed_at", EMAIL_UNSUBSCRIBE),
    ("/email/hard_bounces", "hard_bounced_at", EMAIL_BOUNCE),
)


async def poll(
    http: PartnerClient, cursor: Cursor, *, now: Callable[[], datetime] = clock_now
) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
    """Message events since `cursor`, page by page. A call's day moves on only when all its pages were read.

    A call that the key may not make is left out, the other is made all the same, and the error is raised at the end: as
    PartnerUnavailable, because syncs do not need that permission.
    """
    today, until = now().date(), dict(cursor.get("until") or {})
    refused: NotPermitted | None = None
    for path, field, kind in _CALLS:
        since = date.fromisoformat(until[path]) - OVERLAP if path in until else today - FIRST_WINDOW
        try:
            async for rows in _pages(http, path, since, today + timedelta(days=1)):
                yield [event for row in rows if (event := _event(row, field, kind))], {"until": dict(until)}
        except NotPermitted as error:
            refused = error
            continue
        until[path] = today.isoformat()
        yield [], {"until": dict(until)}
    if refused:
        raise PartnerUnavailable(refused.message, hint=refused.hint)


async def _pages(http: PartnerClient, path: str, since: date, until: date) -> AsyncIterator[list[dict[str, Any]]]:
    offset = 0
    while True:
        asked = {"start_date": since.isoformat(), "end_date": until.isoformat(), "limit": ROWS_A_PAGE, "offset": offset}
        answer = await http.get(path, params=asked)
        if not isinstance(answer, dict) or not isinstance(answer.get("emails"), list):
            raise PartnerUnavailable(f"Braze answered GET {path} without 'emails'.")
        rows = answer["emails"]
        yield rows
        offset += len(rows)
        if len(rows) < ROWS_A_PAGE:
            return


def _event(row: dict[str, Any], field: str, kind: str) -> MessageEvent | None:
    address, told = str(row.get("email") or "").strip().lower(), str(row.get(field) or "")
    try:
        at = datetime.strptime(told, "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return None
    if not address:
        return None
    digest = blake2b(f"{kind}|{address}|{int(at.timestamp())}".encode(), digest_size=16).hexdigest()
    bounce = {"bounce_type": "hard"} if kind == EMAIL_BOUNCE else {}
    return MessageEvent(
        kind=kind,
        id=f"braze:polled:{digest}",
        match=("$email", address),
        time=at,
        properties={"email_address": address, **bounce},
    )
