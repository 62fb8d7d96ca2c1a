"""What came in through a connection, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hub.cli.values import shown_value
from hub.clock import ago, counted, shown

if TYPE_CHECKING:
    from hub.inbound.origins import Campaign
    from hub.inbound.requests import Kept
    from hub.inbound.service import Source

_LONGEST = 2_000


def figures(source: Source) -> dict[str, Any]:
    """A connection for machines: the stable keys of `hub inbound list --json`."""
    return {**vars(source), "renamed": [each.figures() for each in source.renamed]}


def kept_figures(kept: Kept) -> dict[str, Any]:
    """A request for machines."""
    return {
        "id": kept.id,
        "state": kept.state,
        "received_at": kept.request.received_at,
        "decoded_at": kept.decoded_at,
        "events": kept.events,
        "reason": kept.reason,
        "parts": list(kept.parts),
        "method": kept.request.method,
        "body": _text(kept.request.body, len(kept.request.body)),
    }


def source_lines(source: Source) -> Iterator[str]:
    """A connection's counts for a person."""
    yield f"{source.connection}: {counted(source.received, 'message event')}"
    if source.pulls:
        yield f"  pulled: {ago(source.pulled_at)}{f' ({source.message})' if source.message else ''}"
    if source.receives:
        yield f"  last request: {ago(source.last_request_at)}; {source.waiting:,} waiting, {source.parked:,} parked"
    for name, numbers in (
        ("not verified", source.not_verified),
        ("left out", source.left_out),
        ("pages of cohorts", source.pages),
    ):
        for what, number in numbers.items():
            yield f"  {name}: {number:,}  {what}"


def campaign_lines(campaigns: Sequence[Campaign], zone: str) -> Iterator[str]:
    """Campaigns that were renamed, for a person."""
    for each in campaigns:
        for (name, until), after in zip(each.former, [*[name for name, _ in each.former[1:]], each.name], strict=True):
            yield f"  campaign {each.id}: {name!r} is called {after!r} since {shown(until, zone)}"


def kept_lines(kept: Sequence[Kept], zone: str) -> Iterator[str]:
    """Requests for a person: when, why, and what was in them."""
    for each in kept:
        yield f"{each.id}  {shown(each.request.received_at, zone)}  {each.state}  {each.reason}".rstrip()
        for part in each.parts[:5]:
            yield f"    {part['reason']}  {shown_value(part['payload'])[:_LONGEST]}"
        if not each.parts:
            yield f"    {_text(each.request.body, _LONGEST)}"


def _text(body: bytes, most: int) -> str:
    return body[:most].decode(errors="replace")
