"""`hub why` and `hub sync attempts`: what was sent, what came back, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.cohort_members import at
from hub.cli.context import Json, open_hub, print_json
from hub.cli.values import harmless
from hub.clock import counted, day_start, shown

if TYPE_CHECKING:
    from datetime import datetime

    from hub.app import Hub
    from hub.sync.attempts import Attempt
    from hub.sync.why import Why


def tell(asked: str, *, sync: str, since: str, until: str, as_json: bool) -> None:
    """Print what became of somebody."""
    hub = open_hub()
    found = hub.why(asked, sync=sync, since=begin(hub, since), until=at(hub, until))
    if as_json:
        print_json(found.figures())
        return
    for line in _lines(found, hub.workspace.project.timezone):
        typer.echo(harmless(line))


def begin(hub: Hub, text: str) -> datetime | None:
    """As of `at`, but a day stands for its begin."""
    try:
        return day_start(date.fromisoformat(text), hub.workspace.project.zone)
    except ValueError:
        return at(hub, text)


def _lines(found: Why, zone: str) -> Iterator[str]:
    others = [each for each in found.ids if each != found.person]
    yield found.person + (f" (also {', '.join(others[:5])}{', …' if len(others) > 5 else ''})" if others else "")
    for each in found.timeline:
        where = f"{each.sync}, run {each.run}: " if each.run is not None else ""
        yield f"  {shown(each.at, zone)}  {where}{each.said}"
    if not found.was_in_a_run:
        yield "  No run of a sync is known to have had this person. `hub sync list` tells which syncs there are;"
        yield "  `hub cohort explain COHORT ID` tells why somebody is, or is not, in a cohort."
    for stands in found.now:
        yield f"Now, {stands.sync} ({stands.audience} at {stands.connection}): {stands.said}."
        if stands.retry_at:
            yield "  It is tried again when the data, the mapping or the connector's version changes,"
            yield f"  else after {shown(stands.retry_at, zone)}."


def attempts(
    run: Annotated[int, typer.Argument(help="The run's number.")],
    batch: Annotated[int | None, typer.Option(min=1, help="Only this batch of it.")] = None,
    body: Annotated[bool, typer.Option("--body", help="With what was sent and answered.")] = False,
    as_json: Json = False,
) -> None:
    """Every attempt of a run's batches, the oldest first: the requests, the answers, and how each ended."""
    hub = open_hub()
    found = hub.syncs.attempts(run, batch=batch)
    if as_json:
        print_json([each.figures(bodies=body) for each in found])
        return
    if not found:
        typer.echo("No attempt is kept: nothing was sent, or it was removed (HUB_LEDGER_DAYS).")
    for each in found:
        for line in _attempt(each, hub.workspace.project.timezone, body):
            typer.echo(harmless(line))


def _attempt(each: Attempt, zone: str, bodies: bool) -> Iterator[str]:
    what = each.action if each.batch is None else f"batch {each.batch}, {each.action} {counted(each.size, 'member')}"
    refused = f", {len(each.refused):,} rejected" if each.refused else ""
    said = f": {each.message}" if each.message else ""
    yield f"{shown(each.at, zone)}  {what}, attempt {each.number}: {each.end}{refused}{said}"
    for one in each.exchanges:
        took = f" in {one.seconds:.3f} s" if one.seconds is not None else ""
        answer = str(one.status) if one.status else (one.error or "no answer is known")
        partner_id = f", request {one.request_id}" if one.request_id else ""
        yield f"    {one.method} {one.url} ({one.sent_bytes:,} bytes): {answer}{took}{partner_id}"
        if bodies:
            yield from _body("sent", one.sent, one.sent_bytes)
            yield from _body("answer", one.answer, one.answer_bytes)
    for key, reason in each.refused.items():
        yield f"    rejected: {key}: {reason}"


def _body(what: str, content: bytes, whole: int) -> Iterator[str]:
    cut = f" (cut: {len(content):,} of {whole:,} bytes)" if len(content) < whole else ""
    yield f"    {what}{cut}: {content.decode(errors='replace')}"
