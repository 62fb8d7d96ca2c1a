"""Checks of bad weather: a partner that is busy, broken, slow, or whose answer gets lost."""

from __future__ import annotations

from datetime import timedelta

from hub.errors import PartnerUnavailable, Wait
from hub.testing.conformance.bench import Bench, blame
from hub.testing.conformance.checks import check

HINT = 7
"""Seconds that the sandbox asks for."""
SLOW = 0.6
PATIENCE = timedelta(seconds=0.25)

_DO_BUSY = "429 means Wait: with the seconds that the partner tells, with None when it tells none."
_DO_AWAY = "A status of 5xx means PartnerUnavailable: the hub tries again."
_DO_LOST = (
    "Set answer_lost=True on what says that no usable answer came to a writing request: it may have been carried out. "
    "hub.PartnerClient does so by itself; do not catch what it raises."
)


@check()
async def busy_with_a_hint(bench: Bench) -> None:
    """A busy partner that says for how long is left alone for so long."""
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        headers = dict(bench.subject.wait_hint(HINT))
        await bench.fault_on_add(connector, audience, kind="status", status=429, headers=headers)
        wait = await bench.bad("add, answered with 429,", connector.add(audience, bench.people(1)), Wait, _DO_BUSY)
    if wait.seconds is None or abs(wait.seconds - HINT) > 2:
        blame(
            f"The partner asked for {HINT} seconds ({', '.join(headers)}), and Wait says {wait.seconds}.",
            "Read the partner's hint: hub.retry_after reads Retry-After, given as seconds or as a date.",
        )


@check()
async def busy_without_a_hint(bench: Bench) -> None:
    """A busy partner that does not say for how long is asked again later."""
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.fault_on_add(connector, audience, kind="status", status=429)
        await bench.bad("add, answered with 429 and no hint,", connector.add(audience, bench.people(1)), Wait, _DO_BUSY)


@check()
async def broken_partner(bench: Bench) -> None:
    """A partner that is broken is asked again later, and the members go in then."""
    members = bench.people(1)
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        for status in (500, 502, 503):
            await bench.fault_on_add(connector, audience, kind="status", status=status)
            doing = f"add, answered with {status},"
            await bench.bad(doing, connector.add(audience, members), PartnerUnavailable, _DO_AWAY)
        await bench.add(connector, audience, members)


@check()
async def slow_partner(bench: Bench) -> None:
    """Who waits too long for an answer says that it may have been lost."""
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.fault_on_add(connector, audience, kind="latency", seconds=SLOW)
    async with bench.opened(patience=PATIENCE) as connector:
        error = await bench.bad(
            "add, not answered in time,", connector.add(audience, bench.people(1)), PartnerUnavailable, _DO_LOST
        )
    _lost(error, "add was not answered in time")


@check()
async def answer_lost_after_commit(bench: Bench) -> None:
    """An answer that is lost is said to be, and the batch sent again does no harm."""
    members = bench.people(min(3, bench.page))
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        for kind in ("answer_lost", "half_body"):
            await bench.fault_on_add(connector, audience, kind=kind)
            doing = f"add, whose answer was lost ({kind}),"
            error = await bench.bad(doing, connector.add(audience, members), PartnerUnavailable, _DO_LOST)
            _lost(error, "add was carried out and its answer lost")
        await bench.add(connector, audience, members)
        missing = bench.keys(members) - await bench.held(connector, audience)
    if missing:
        blame(f"After a lost answer and a second add, {min(missing)[1]} is not in the audience.", "add is repeated.")


@check()
async def unreadable_answer(bench: Bench) -> None:
    """An answer that means nothing is no success."""
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.fault_on_add(connector, audience, kind="nonsense")
        error = await bench.bad(
            "add, answered with nonsense,",
            connector.add(audience, bench.people(1)),
            PartnerUnavailable,
            "A log-in page is a 200, too: read the answer, and raise PartnerUnavailable when it is not the partner's.",
        )
    _lost(error, "add was answered with nonsense")


def _lost(error: PartnerUnavailable, what: str) -> None:
    if not error.answer_lost:
        blame(f"{what}, and the error says that nothing was sent: {error.message}", _DO_LOST)
