"""Whether a message that an operator sent to themself is told back as it should: sent, delivered, opened or clicked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub.connectors.messages import MessageEvents, Metric
from hub.errors import NotFound
from hub.inbound.store import CONNECTION, match_id
from hub.lake.typed import properties_of
from hub.people.person import find_person
from hub.people.views import people_events

if TYPE_CHECKING:
    from hub.workspace import Workspace

EXPECTED: tuple[tuple[str, frozenset[Metric]], ...] = (
    ("sent", frozenset({Metric.SENT})),
    ("delivered", frozenset({Metric.DELIVERED})),
    ("opened or clicked", frozenset({Metric.OPENED, Metric.CLICKED})),
)
"""What a message to oneself brings, in its order."""

_MOST_EVENTS = 5_000


@dataclass(frozen=True)
class Step:
    """One part of the sequence: when it was seen first (None: it is missing), and the name of the event.

    `told` is False where the partner has no such event, or the connection leaves it out: it is not missed. `machine`
    tells that only a machine did it.
    """

    step: str
    seen_at: datetime | None = None
    event: str = ""
    machine: bool = False
    told: bool = True

    def figures(self) -> dict[str, Any]:
        """For machines: stable keys."""
        return {**vars(self), "seen_at": self.seen_at.isoformat() if self.seen_at else None}


@dataclass(frozen=True)
class Sequenced:
    """What was told of the newest message, of one person or of anybody. `events` are all of it, the oldest first: the
    instant, and the event's name."""

    connection: str
    since: datetime
    message_id: str
    person: str
    campaign: str
    steps: Sequence[Step]
    events: Sequence[tuple[datetime, str]]

    @property
    def missing(self) -> list[str]:
        """The steps that were not seen and should have been."""
        return [each.step for each in self.steps if each.told and each.seen_at is None]

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub connection check --events --json`."""
        return {
            "connection": self.connection,
            "since": self.since.isoformat(),
            "message_id": self.message_id,
            "person": self.person,
            "campaign": self.campaign,
            "steps": [each.figures() for each in self.steps],
            "missing": self.missing,
            "events": [{"at": at.isoformat(), "event": event} for at, event in self.events],
        }


def sequence(
    workspace: Workspace,
    connection: str,
    known: MessageEvents,
    *,
    persons: Collection[str] = (),
    since: datetime,
    left_out: Collection[str] = (),
) -> Sequenced:
    """The sequence of the newest message that a connection told of since an instant (aware), of these `persons`, or of
    anybody. A message that the partner gives no id is told apart by its campaign and its recipient."""
    metrics = {kind.event: kind.metric for kind in known.kinds}
    told = {kind.metric for kind in known.kinds if kind.kind not in left_out}
    rows = [*_rows(workspace, connection, known, persons, since)]
    newest = _newest(rows, metrics)
    steps = [_step(name, wanted, newest, metrics, told) for name, wanted in EXPECTED]
    first = newest[0] if newest else {}
    properties = properties_of(first) if first else {}
    return Sequenced(
        connection,
        since,
        str(properties.get("message_id", "")),
        str(first.get("person", "")),
        str(properties.get("campaign_name") or properties.get("campaign_id") or ""),
        steps,
        [(row["time"], row["event"]) for row in newest],
    )


def recipients(workspace: Workspace, person: str) -> list[str]:
    """Who is meant by an id or an address: the person, and whoever is known by the address alone."""
    by_email = "@" in person
    try:
        found = [find_person(workspace, person, by_email=by_email, events=0).cluster.person]
    except NotFound:
        found = [person]
    return [*found, *([match_id(("$email", person.strip().lower()))] if by_email else [])]


def _rows(
    workspace: Workspace, connection: str, known: MessageEvents, persons: Collection[str], since: datetime
) -> Iterator[Mapping[str, Any]]:
    """The newest message events, the newest first."""
    names = sorted({kind.event for kind in known.kinds})
    with workspace.reading() as reader:
        events = people_events(reader, workspace.project)
        found = events.filter(
            events.time >= since,
            events.source == known.source,
            events.event.isin(names),
            events.strings.get(CONNECTION) == connection,
        )
        if persons:
            found = found.filter(found.person.isin([*persons]))
        newest = found.order_by(found.time.desc()).limit(_MOST_EVENTS)
        for batch in reader.batches(newest):
            yield from batch.to_pylist()


def _newest(rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, Metric]) -> list[Mapping[str, Any]]:
    """The events of the message that was sent last (or, of none that is known to be sent, told of last), in order."""
    messages: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        strings = dict(row["strings"] or ())
        key = strings.get("message_id") or (strings.get("campaign_id"), row["distinct_id"])
        messages.setdefault(key, []).append(row)
    sent = [of for of in messages.values() if any(metrics.get(row["event"]) is Metric.SENT for row in of)]
    choice = sent or [*messages.values()]
    if not choice:
        return []
    newest = max(choice, key=lambda of: min(row["time"] for row in of))
    return sorted(newest, key=lambda row: (row["time"], row["event"]))


def _step(
    name: str,
    wanted: Collection[Metric],
    rows: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Metric],
    told: Collection[Metric],
) -> Step:
    seen = [row for row in rows if metrics.get(row["event"]) in wanted]
    if not seen:
        return Step(name, told=bool(set(wanted) & set(told)))
    by_people = [row for row in seen if not dict(row["booleans"] or ()).get("machine")]
    first = (by_people or seen)[0]
    return Step(name, first["time"], first["event"], machine=not by_people)
