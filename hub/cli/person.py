"""`hub person`: all that is known of somebody."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import Json, open_hub, print_json
from hub.cli.values import columns, harmless, padded, property_lines, shortened, shown_value
from hub.clock import counted, shown

if TYPE_CHECKING:
    from hub.people.identity_explained import FailedLink, LinkedId
    from hub.people.person import Person, PersonEvent

app = typer.Typer(no_args_is_help=True, add_completion=False)

_IDS = 20
_FAILED = 5
_PROPERTIES = 30
_EVENT, _SOURCE = 24, 14
"""The most cells for the name and for the source marker of an event."""
_OF_SDKS = ("$", "mp_")
"""How names of properties begin that every event of an SDK has: they come last, as the line is cut."""


class By(StrEnum):
    """What somebody is looked up by."""

    ID = "id"
    EMAIL = "email"


@app.callback()
def _noun() -> None:
    """People."""


@app.command()
def show(
    asked: Annotated[str, typer.Argument(metavar="ID", help="Any id of the person, letter for letter.")],
    by: Annotated[By, typer.Option(help="What ID is: an id, or the $email of a profile.")] = By.ID,
    events: Annotated[int, typer.Option(min=0, max=10_000, help="How many of the last events to show.")] = 10,
    as_json: Json = False,
) -> None:
    """Somebody's ids and why they are one person's, links that failed, the profile, and the last events.

    Everything that has arrived by now counts. Long lists and values are cut; --json has them whole.
    """
    hub = open_hub()
    person = hub.person(asked, by_email=by is By.EMAIL, events=events)
    if as_json:
        print_json(person.figures())
        return
    for line in _lines(person, hub.workspace.project.timezone):
        typer.echo(line)


def _lines(person: Person, zone: str) -> Iterator[str]:
    yield harmless(person.cluster.person)
    yield f"  {_summary(person, zone)}"
    yield from _ids(person, zone)
    yield from _message_ids(person)
    yield from _failed(person, zone)
    yield from _profile(person, zone)
    yield from _events(person, zone)


def _summary(person: Person, zone: str) -> str:
    if not (person.first_seen and person.last_seen):
        return "No events."
    first, last = shown(person.first_seen, zone), shown(person.last_seen, zone)
    return f"{counted(person.events, 'event')}, the first {first}, the last {last}."


def _ids(person: Person, zone: str) -> Iterator[str]:
    ids = person.cluster.ids
    yield ""
    yield f"{counted(len(ids), 'id')}"
    for one in ids[:_IDS]:
        yield f"  {shortened(harmless(one.id), columns() - 2)}"
        yield from _folded(_why(one, person, zone))
    if len(ids) > _IDS:
        yield f"  … and {len(ids) - _IDS:,} more"


def _message_ids(person: Person) -> Iterator[str]:
    ids = {one.id for one in person.cluster.ids}
    messages = [(key, each.events) for key, each in person.activity.items() if key not in ids]
    if messages:
        yield ""
        yield "Message events for a value of the profile"
    for key, number in sorted(messages):
        yield f"  {shortened(harmless(key), columns() - 16)}  {number:,}"


def _why(one: LinkedId, person: Person, zone: str) -> str:
    activity = person.activity.get(one.id)
    since = f", {shown(one.linked_at, zone)}" if one.linked_at else ""
    return harmless(f"{one.why}{since}; {counted(activity.events if activity else 0, 'event')}")


def _failed(person: Person, zone: str) -> Iterator[str]:
    cluster = person.cluster
    if not cluster.failures:
        return
    yield ""
    yield f"{counted(cluster.failures, 'link')} that failed"
    for link in cluster.failed[:_FAILED]:
        yield from _folded(_why_not(link, zone), first="  ")
    if cluster.failures > _FAILED:
        yield f"  … and {cluster.failures - _FAILED:,} more"


def _why_not(link: FailedLink, zone: str) -> str:
    return harmless(f"{link.event} of {link.one} and {link.other}, {shown(link.at, zone)}: {link.reason}")


def _profile(person: Person, zone: str) -> Iterator[str]:
    yield ""
    if person.profile is None:
        yield "No profile"
        return
    yield f"Profile, last changed {shown(person.profile.known_at, zone)}"
    yield from property_lines(person.profile.properties, most=_PROPERTIES)
    if not person.profile.properties:
        yield "  No properties."


def _events(person: Person, zone: str) -> Iterator[str]:
    from rich.cells import cell_len

    told = person.last_events
    if not told:
        return
    yield ""
    yield f"The last {len(told):,} of {counted(person.events, 'event')}" if len(told) < person.events else "Events"
    names = min(max(cell_len(harmless(each.event)) for each in told), _EVENT)
    sources = min(max(cell_len(harmless(each.source or "")) for each in told), _SOURCE)
    for each in told:
        yield _event(each, zone, names, sources)


def _event(each: PersonEvent, zone: str, names: int, sources: int) -> str:
    cells = [shown(each.time, zone), padded(harmless(each.event), names)]
    if sources:
        cells.append(padded(harmless(each.source or ""), sources))
    own_first = sorted(each.properties.items(), key=lambda one: (one[0].startswith(_OF_SDKS), one[0]))
    properties = " ".join(f"{harmless(name)}={shown_value(value)}" for name, value in own_first if name != "$source")
    line = "  " + "  ".join([*cells, properties])
    return shortened(line, columns()).rstrip()


def _folded(text: str, first: str = "      ") -> Iterator[str]:
    """`text` in lines of the terminal's width."""
    import textwrap

    yield from textwrap.wrap(text, columns(), initial_indent=first, subsequent_indent="      ", break_on_hyphens=False)
