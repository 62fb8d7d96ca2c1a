"""One person: their ids and why those belong together, their profile, and what they did last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import ibis

from hub.errors import InputError, NotFound
from hub.lake.tables import EVENTS
from hub.lake.typed import properties_of
from hub.people.identity import Cluster, explain_cluster
from hub.people.identity_explained import LinkedId
from hub.people.profile_fold import Profile
from hub.people.profile_state import Stored, stored
from hub.people.views import DEVICE, MATCH, match_owners, match_value, normalised, people_profiles, project_events
from hub.workspace import Workspace

if TYPE_CHECKING:
    from hub.lake.reading import Reader

_EMAIL = "$email"
_SHARED = 10
_EXACT = 2**53


@dataclass(frozen=True)
class PersonEvent:
    """One event of a person. `distinct_id` is the id that it came with, `source` its marker or None."""

    time: datetime
    event: str
    source: str | None
    distinct_id: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class Activity:
    """The events of one id: how many, and the times of the first and the last."""

    events: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Person:
    """All that is known of one person.

    `activity` has every id, or address of message events, that has events. `last_events` are the newest, the newest
    first. `profile` is that of the canonical id, else the one that changed last; under simplified identity that of
    the canonical id alone.
    """

    cluster: Cluster
    profile: Stored | None
    activity: dict[str, Activity]
    last_events: tuple[PersonEvent, ...]

    @property
    def events(self) -> int:
        """How many events there are."""
        return sum(each.events for each in self.activity.values())

    @property
    def first_seen(self) -> datetime | None:
        """The time of the first event."""
        return min((each.first for each in self.activity.values()), default=None)

    @property
    def last_seen(self) -> datetime | None:
        """The time of the last event."""
        return max((each.last for each in self.activity.values()), default=None)

    @property
    def known(self) -> bool:
        """Whether there is anything at all."""
        return bool(self.activity or self.profile or len(self.cluster.ids) > 1 or self.cluster.failures)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub person show --json`."""
        cluster = self.cluster
        return {
            "person": cluster.person,
            "ids": [self._id_figures(each) for each in cluster.ids],
            "message_ids": {key: each.events for key, each in self.activity.items() if key.startswith(MATCH)},
            "failed_links": [asdict(each) for each in cluster.failed],
            "failures": cluster.failures,
            "profile": self.profile.properties if self.profile else None,
            "profile_known_at": self.profile.known_at if self.profile else None,
            "events": self.events,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "last_events": [asdict(each) for each in self.last_events],
        }

    def _id_figures(self, one: LinkedId) -> dict[str, Any]:
        activity = self.activity.get(one.id)
        return {**asdict(one), "events": activity.events if activity else 0}


def find_person(workspace: Workspace, asked: str, *, by_email: bool = False, events: int = 10) -> Person:
    """Somebody by any of their ids, or by the `$email` of their profile, with their last `events` events.

    What has arrived by now counts. Only what can hold the person's rows is read. Raises NotFound when nobody is known
    by that id or address, InputError when several people share the address, StoreError when the lake cannot be read.
    """
    with workspace.reading() as reader:
        distinct_id = _by_email(workspace, reader, asked) if by_email else _owner(workspace, reader, asked)
        with workspace.store.reading() as connection:
            cluster = explain_cluster(connection, workspace.project, distinct_id)
            profiles = stored(connection, workspace.project.id, [each.id for each in cluster.ids])
        activity = _activity(workspace, reader, cluster, profiles)
        person = Person(
            cluster, _profile(workspace, cluster, profiles), activity, _last(workspace, reader, [*activity], events)
        )
    if not person.known:
        raise nobody(workspace, asked)
    return person


def _owner(workspace: Workspace, reader: Reader, asked: str) -> str:
    """Whom the pseudo id of message events means; any other id itself."""
    if not asked.startswith(MATCH):
        return asked
    return match_owners(reader, workspace.project, [asked]).get(asked, asked)


def _by_email(workspace: Workspace, reader: Reader, address: str) -> str:
    """The canonical id of whoever has that address."""
    profiles = people_profiles(reader, workspace.project)
    wanted = normalised(ibis.literal(address), "email")
    found = profiles.filter(match_value(profiles, _EMAIL, "email") == wanted).select("person").order_by("person")
    people = [value for batch in reader.batches(found.limit(_SHARED)) for value in batch.column(0).to_pylist()]
    if not people:
        raise NotFound(
            f"No profile has the $email {address!r}.",
            hint="`hub person show ID` finds somebody by an id; addresses are compared without blanks and case.",
        )
    if len(people) > 1:
        raise InputError(
            f"Several people have the $email {address!r}: {', '.join(map(repr, people))}.",
            hint="Show one of them by id: hub person show ID",
        )
    return str(people[0])


def _profile(workspace: Workspace, cluster: Cluster, profiles: Sequence[Stored]) -> Stored | None:
    own = [each for each in profiles if each.distinct_id == cluster.person]
    if own or workspace.project.identity == "simplified":
        return own[0] if own else None
    return max(profiles, key=lambda each: each.seq, default=None)


def _activity(
    workspace: Workspace, reader: Reader, cluster: Cluster, profiles: Sequence[Stored]
) -> dict[str, Activity]:
    """What there is of each id, and of each address of message events that is the person's now."""
    ids = {each.id for each in cluster.ids}
    marked = reader.has(EVENTS, "source", [("project_id", "=", str(workspace.project.id))])  # message events always are
    rows = _rows(workspace, reader, [*ids, *(_addresses(ids, profiles) if marked else ())])
    counts = rows.group_by("distinct_id").agg(events=rows.count(), first=rows.time.min(), last=rows.time.max())
    found = {
        row["distinct_id"]: Activity(row["events"], row["first"], row["last"])
        for batch in reader.batches(counts)
        for row in batch.to_pylist()
    }
    owners = match_owners(reader, workspace.project, [each for each in found if each not in ids])
    return {key: each for key, each in found.items() if key in ids or owners.get(key) == cluster.person}


def _addresses(ids: set[str], profiles: Sequence[Stored]) -> list[str]:
    """The pseudo ids that message events for the person may have come with."""
    found = {f"{MATCH}distinct_id:{each}" for each in ids}
    for profile in profiles:
        found.update(_match_ids(profile.properties))
    return sorted(found)


def _match_ids(profile: Profile) -> Iterator[str]:
    """A pseudo id for each property, as `hub.people.views.match_value` compares them."""
    for name, value in profile.items():
        text = value if isinstance(value, str) else ""
        if isinstance(value, int | float) and not isinstance(value, bool) and value == round(value):
            text = str(round(value)) if abs(value) < _EXACT else ""
        if text := text.strip().lower() if name == _EMAIL else text:
            yield f"{MATCH}{name}:{text}"


def _last(workspace: Workspace, reader: Reader, ids: Sequence[str], most: int) -> tuple[PersonEvent, ...]:
    if not (ids and most):
        return ()
    rows = _rows(workspace, reader, ids)
    newest = rows.order_by([rows.time.desc(), rows.event, rows.insert_id]).limit(most)
    return tuple(
        PersonEvent(row["time"], row["event"], row["source"], row["distinct_id"], properties_of(row))
        for batch in reader.batches(newest)
        for row in batch.to_pylist()
    )


def _rows(workspace: Workspace, reader: Reader, ids: Sequence[str]) -> ibis.Table:
    return project_events(reader, workspace.project, narrow=lambda rows: [rows.distinct_id.isin([*ids])])


def nobody(workspace: Workspace, asked: str) -> NotFound:
    """The error for an id of nobody: it says what is nearest to it."""
    bare = asked.strip()
    near = dict.fromkeys([bare, bare.lower(), f"{DEVICE}{bare}", bare.removeprefix(DEVICE)])
    near.pop(asked, None)
    with workspace.store.reading() as connection:
        known = [
            each
            for each in near
            if stored(connection, workspace.project.id, [each])
            or len(explain_cluster(connection, workspace.project, each).ids) > 1
        ]
    if known:
        hint = f"Did you mean {known[0]!r}?"
    elif "@" in asked:
        hint = "For the $email of a profile, add `--by email`."
    else:
        hint = "Ids are taken letter for letter. `hub person show ADDRESS --by email` finds somebody by their $email."
    return NotFound(f"Nobody is known by the id {asked!r}.", hint=hint)
