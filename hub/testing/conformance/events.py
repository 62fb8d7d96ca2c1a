"""Checks of message events that are pulled: whole, each once, and none skipped by a cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import orjson

from hub.connectors.contract import Ability, Connector, Cursor
from hub.connectors.messages import MessageEvent
from hub.errors import PartnerError
from hub.testing.conformance.bench import Bench, blame
from hub.testing.conformance.checks import check

Pages = list[tuple[Sequence[MessageEvent], Cursor]]


@check(Ability.PULL, asks=("happen",))
async def events_told(bench: Bench) -> None:
    """Every message event is told, well-formed, with the same id each time."""
    expected = _happen(bench)
    async with bench.opened() as connector:
        first, second = await _pulled(bench, connector, {}), await _pulled(bench, connector, {})
    found = _events(first)
    sound_events(bench, found)
    ids = {event.id for event in found}
    if len(ids) != expected:
        blame(
            f"{expected} message events happened, and pull tells {len(ids)} by their ids.",
            "Read every page; the id is the partner's own, or made of what makes the event the one that it is.",
        )
    if {event.id for event in _events(second)} != ids:
        blame(
            "The same message events have other ids when they are pulled again.",
            "An id stays: the hub counts an event once by it.",
        )


@check(Ability.PULL, asks=("happen",))
async def cursor_skips_nothing(bench: Bench) -> None:
    """From every cursor on, what was not told before is told: after any page, and after a failure in the middle."""
    _happen(bench)
    async with bench.opened() as connector:
        pages = await _pulled(bench, connector, {})
        wanted = {event.id for event in _events(pages)}
        for number in _places(len(pages)):
            cursor = pages[number][1]
            known = {event.id for event in _events(pages[: number + 1])}
            await _go_on(bench, connector, cursor, wanted - known, f"page {number + 1} of {len(pages)}")
        await _interrupted(bench, connector, wanted)
        _happen(bench)
        new = {event.id for event in _events(await _pulled(bench, connector, {}))} - wanted
        await _go_on(bench, connector, pages[-1][1] if pages else {}, new, "the last page, for what happened since")


def _places(pages: int) -> list[int]:
    """Pages after which a pull is broken off: all, or a dozen of many."""
    return list(range(0, pages, max(1, pages // 12)))


async def _interrupted(bench: Bench, connector: Connector, wanted: set[str]) -> None:
    """Pull while the partner fails now and then, from the last cursor each time, as the hub does."""
    told: set[str] = set()
    cursor: Cursor = {}
    bench.partner.admin.forget_requests()
    await _pulled(bench, connector, {})
    asked = len(bench.partner.admin.requests())
    for after in {0, asked // 2, max(0, asked - 1)}:
        bench.partner.admin.clear_faults()
        bench.partner.admin.fault(kind="status", status=500, after=after)
        try:
            async for events, next_cursor in connector.pull(_copied(cursor)):
                told |= {event.id for event in events}
                cursor = next_cursor
        except PartnerError as error:
            bench.hear(error)
    bench.partner.admin.clear_faults()
    told |= {event.id for event in _events(await _pulled(bench, connector, cursor))}
    if missing := wanted - told:
        blame(
            f"After a failure in the middle of a pull, {len(missing)} message events were never told.",
            "Yield a cursor only for what was yielded before it or with it.",
        )


async def _go_on(bench: Bench, connector: Connector, cursor: Cursor, wanted: set[str], place: str) -> None:
    found = {event.id for event in _events(await _pulled(bench, connector, cursor))}
    if missing := wanted - found:
        blame(
            f"From the cursor after {place}, {len(missing)} message events are skipped.",
            "A cursor stands at or before the first event that was not told; it may overlap, and never skips.",
        )


async def _pulled(bench: Bench, connector: Connector, cursor: Cursor) -> Pages:
    async def read() -> Pages:
        return [(events, _copied(told)) async for events, told in connector.pull(_copied(cursor))]

    return await bench.good("pull", read())


def _copied(cursor: Cursor) -> Cursor:
    try:
        return dict(orjson.loads(orjson.dumps(cursor)))
    except (TypeError, ValueError):
        blame(f"The cursor {cursor!r} is not a JSON object.", "The hub stores it: keep texts and numbers in it.")


def _happen(bench: Bench) -> int:
    return int(bench.ask("happen", bench.partner))


def _events(pages: Pages) -> list[MessageEvent]:
    return [event for events, _ in pages for event in events]


def sound_events(bench: Bench, events: Iterable[MessageEvent]) -> None:
    """Blame the connector for a message event that is not well-formed."""
    declared = {kind.kind for kind in bench.kind.message_events.kinds} if bench.kind.message_events else set()
    for event in events:
        if event.kind not in declared:
            blame(f"A message event is of the kind {event.kind!r}, which is not declared.", "Add it, or leave it out.")
        if event.time.utcoffset() != timedelta(0):
            blame(f"A message event's time {event.time.isoformat()} is not UTC.", "Give aware UTC datetimes.")
        if not event.id or not event.match[0] or not event.match[1]:
            blame(f"A message event of the kind {event.kind!r} has no id, or matches nobody.", "Both are needed.")
        try:
            orjson.dumps(dict(event.properties))
        except TypeError:
            blame(f"The properties of a message event {event.kind!r} are not JSON.", "Keep JSON values in them.")
