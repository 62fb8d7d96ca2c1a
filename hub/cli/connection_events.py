"""`hub connection check --events`: whether a message to oneself is told back as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hub.cli.context import open_hub, print_json, quit_with, quoted, say
from hub.cli.values import harmless
from hub.cli.why import begin
from hub.clock import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.inbound.sequence import Sequenced

_MISSING = 1
_UNKNOWN = "$match:"
"""How the lake writes down somebody whom no profile has been found for (`hub.inbound.store.match_id`)."""


def check_events(name: str, *, person: str, since: str, as_json: bool) -> None:
    """Print which of the expected events of the newest message were seen. Exit code 1 when one is missing."""
    hub = open_hub()
    found = hub.inbound.check_events(name, person=person, since=begin(hub, since) if since else None)
    if as_json:
        print_json(found.figures())
    else:
        for line in _lines(found, hub.workspace.project.timezone):
            typer.echo(harmless(line))
    if found.missing:
        if not as_json:
            say(f"What came in and was not taken: `hub inbound show {quoted(name)}`. Partners may take minutes.")
        quit_with(_MISSING)


def _lines(found: Sequenced, zone: str) -> Iterator[str]:
    if not found.events:
        yield f"{found.connection}: no message event since {shown(found.since, zone)}."
    else:
        about = " ".join(filter(None, (found.message_id, f"of {found.campaign}" if found.campaign else "")))
        yield f"{found.connection}: the newest message{f', {about},' if about else ''} to {_known_as(found.person)}"
    for each in found.steps:
        if each.seen_at:
            by = ", by a machine only" if each.machine else ""
            yield f"  {each.step}: {shown(each.seen_at, zone)}  {each.event}{by}"
        else:
            yield f"  {each.step}: {'MISSING' if each.told else 'not told by this partner, or left out'}"


def _known_as(person: str) -> str:
    """A person; of one without a profile yet, the address that the partner told."""
    if not person.startswith(_UNKNOWN):
        return person
    return f"{person.removeprefix(_UNKNOWN).partition(':')[2]}, who has no profile in the hub"
