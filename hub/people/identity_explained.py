"""Why some ids are one person's, and why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from hub.people.identity_clusters import MOST_IDS
from hub.people.identity_links import (
    ALIAS,
    ALREADY,
    DEVICE,
    DEVICE_PREFIX,
    FULL,
    IDENTIFY,
    ITSELF,
    MERGE,
    NOBODY,
    NOT_UUID,
    TAKEN,
    Link,
)
from hub.people.identity_state import members, pages, recorded, resolve
from hub.store.tables import identity_links
from hub.workspace import Project

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_FAILED = 20
_EVENTS = {DEVICE: "an event", IDENTIFY: "$identify", ALIAS: "$create_alias", MERGE: "$merge"}
_TAKEN = {
    DEVICE: "somebody else used the device before",
    IDENTIFY: "the anonymous id is somebody's already",
    ALIAS: "the alias is another id's already",
}
_REASONS = {
    FULL: f"one person would have more than {MOST_IDS} ids",
    NOT_UUID: "the anonymous id is no UUID v4",
    NOBODY: "one of the ids is a value that stands for nobody",
    ITSELF: "both ids are the same",
}


@dataclass(frozen=True)
class LinkedId:
    """One id of a person. `why` is a clause, `linked_at` the time of the event that it tells of, and `known_from` when
    the hub got to know whose it is; None when nothing links it, or for the canonical id, which was its own before."""

    id: str
    why: str
    linked_at: datetime | None = None
    known_from: datetime | None = None


@dataclass(frozen=True)
class FailedLink:
    """A link that links nobody. `event` names what said so at `at`; `reason` is a clause."""

    event: str
    one: str
    other: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class Cluster:
    """A person: the canonical id first, then the others in the order in which they were linked.

    `failed` are the newest of the links with these ids that link nobody; `failures` is how many there are.
    """

    person: str
    ids: tuple[LinkedId, ...]
    failed: tuple[FailedLink, ...] = ()
    failures: int = 0


def explain_cluster(connection: Connection, project: Project, one: str) -> Cluster:
    """The person to whom an id belongs, why each of their ids is theirs, and which links with them failed.

    An id of which nothing is known is its own person.
    """
    person = resolve(connection, project.id, [one]).get(one, one)
    rows = members(connection, project.id, [person])
    ids = [person, *sorted(rows, key=lambda each: (rows[each].linked_at, each))]
    failures, failed = _failed(connection, project.id, ids)
    if project.identity == "simplified":
        reasons = {one: (f"{person} was the first user on this device", row.linked_at) for one, row in rows.items()}
        alone = "a device that no user was seen on" if person.startswith(DEVICE_PREFIX) else "the user's own id"
    else:
        reasons = _reasons(connection, project.id, ids)
        alone = "nothing links it to another id"
    linked = []
    for each in ids:
        why, at = reasons.get(each, (alone, None))
        known_from = rows[each].known_from if each in rows else None
        linked.append(LinkedId(each, why, None if at is None else _instant(at), known_from))
    return Cluster(person, tuple(linked), failed, failures)


def _reasons(connection: Connection, project_id: int, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Of each id the earliest link that ties it to another one, in words, and its time."""
    links = identity_links.c
    found = [link for link, _ in recorded(connection, project_id, links.one, ids, links.failed == "")]
    first: dict[str, tuple[str, int]] = {}
    for link in sorted(found, key=lambda link: link.place):
        for one, why in zip((link.one, link.other), _words(link), strict=True):
            first.setdefault(one, (why, link.time))
    return first


def _words(link: Link) -> tuple[str, str]:
    if link.kind == IDENTIFY:
        return f"$identify: the anonymous id {link.other} is this one's", f"$identify: it is {link.one}'s"
    if link.kind == ALIAS:
        return f"$create_alias: {link.other} is its alias", f"$create_alias: an alias of {link.one}"
    return f"$merge with {link.other}", f"$merge with {link.one}"


def _failed(connection: Connection, project_id: int, ids: Sequence[str]) -> tuple[int, tuple[FailedLink, ...]]:
    links = identity_links.c
    failures = 0
    newest: list[Row[Any]] = []
    for page in pages(ids):
        ends = (links.one.in_(page), links.other.in_(page) & links.one.not_in(page))
        for end in ends:
            this: tuple[ColumnElement[bool], ...] = (
                links.project_id == project_id,
                end,
                links.failed.not_in(("", ALREADY)),
            )
            failures += connection.execute(select(func.count()).select_from(identity_links).where(*this)).scalar_one()
            found = select(identity_links).where(*this).order_by(links.time.desc())
            newest += connection.execute(found.limit(_MOST_FAILED)).all()
    newest.sort(key=lambda row: (-row.time, row.kind, row.one, row.other))
    told = (
        FailedLink(_EVENTS[row.kind], row.one, row.other, _instant(row.time), _reason(row.kind, row.failed))
        for row in newest[:_MOST_FAILED]
    )
    return failures, tuple(told)


def _reason(kind: str, failed: str) -> str:
    return _TAKEN[kind] if failed == TAKEN else _REASONS[failed]


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
