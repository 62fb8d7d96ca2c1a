"""What is in a request, and for which projects: pure, but for the look-up of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from hub.errors import HubError
from hub.events.arriving import Refusal, imported, tracked
from hub.events.request import BadRequest, Decoded, Flags, Form, decode_request, flags_of
from hub.intake.arrival import Arrival, events_arrival, profiles_arrival, rejects_arrival
from hub.people.engaging import engaged

if TYPE_CHECKING:
    from hub.events.record import Event
    from hub.people.profile_update import Update
    from hub.workspace import Project

__all__ = ["Endpoint", "Incoming", "Received", "Refused", "flags_of", "received"]


class Endpoint(StrEnum):
    """Where a request came in, which is the source that its refusals are counted under."""

    TRACK = "track"
    IMPORT = "import"
    ENGAGE = "engage"


class Refused(HubError):
    """A request that is not taken in. `status` is HTTP's, `retry_after` after how many seconds to come back."""

    def __init__(self, message: str, status: int, *, retry_after: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class Incoming:
    """One request whose body has been read. `address` is the client's."""

    endpoint: Endpoint
    body: bytes = field(repr=False)
    query: Mapping[str, str]
    content_type: str = ""
    content_encoding: str = ""
    address: str | None = None


@dataclass(frozen=True)
class Received:
    """What was found in a request; nothing of it is kept yet.

    `accepted` records are fit for the lake, `refusals` are the others, but for those that asked to be ignored.
    `unknown` of the refusals are for no project, because their token is missing or nobody's (`strange_tokens`).
    `projects` are those that anything came for, `arrivals` what is to be kept.
    """

    form: Form
    flags: Flags
    accepted: int
    refusals: Sequence[Refusal]
    unknown: int
    strange_tokens: frozenset[str]
    projects: frozenset[int]
    arrivals: list[Arrival] = field(repr=False)

    @property
    def bytes(self) -> int:
        """The size of what is to be kept: a body that was packed says nothing of it."""
        return sum(len(arrival.payload) for arrival in self.arrivals)


Projects = Callable[[str], "Project | None"]
"""The project of a project token, None when it is none's."""


def received(incoming: Incoming, project: Project | None, projects: Projects, at: datetime) -> Received:
    """Read a request that came in at `at`. `project` is whose all of it is, and given for Endpoint.IMPORT alone.

    Raises Refused when nothing can be told apart in it.
    """
    try:
        decoded = decode_request(
            incoming.body,
            content_type=incoming.content_type,
            content_encoding=incoming.content_encoding,
            query=incoming.query,
        )
    except BadRequest as error:
        raise Refused(error.message, error.status, hint=error.hint) from error
    if project is not None:
        return _imported(decoded, project, at)
    projects = cache(projects)  # a token that is revoked in the middle is good to the end
    if incoming.endpoint is Endpoint.ENGAGE:
        return _engaged(decoded, projects, at)
    return _tracked(decoded, projects, incoming.address, at)


def _imported(decoded: Decoded, project: Project, at: datetime) -> Received:
    found = imported(decoded, now=at, simplified=_simplified(project))
    arrivals = [events_arrival(project.id, found.events, at)] if found.events else []
    if found.refusals:
        arrivals.append(rejects_arrival(project.id, Endpoint.IMPORT, found.refusals, at))
    only = frozenset((project.id,))
    return Received(decoded.form, decoded.flags, len(found.events), found.refusals, 0, frozenset(), only, arrivals)


def _tracked(decoded: Decoded, projects: Projects, address: str | None, at: datetime) -> Received:
    def simplified(token: str) -> bool | None:
        project = projects(token)
        return None if project is None else _simplified(project)

    found = tracked(decoded, now=at, client_ip=address, simplified=simplified)
    events: dict[int, list[Event]] = {}
    for token, sent in found.events.items():
        if project := projects(token):
            events.setdefault(project.id, []).extend(sent)
    arrivals = [events_arrival(project, sent, at) for project, sent in events.items()]
    return _of_tokens(decoded, Endpoint.TRACK, arrivals, found.refusals, projects, at)


def _engaged(decoded: Decoded, projects: Projects, at: datetime) -> Received:
    found = engaged(decoded, now=at, known=lambda token: projects(token) is not None)
    updates: dict[int, list[Update]] = {}
    for token, sent in found.updates.items():
        if project := projects(token):
            updates.setdefault(project.id, []).extend(sent)
    arrivals = [profiles_arrival(project, sent, at) for project, sent in updates.items()]
    return _of_tokens(decoded, Endpoint.ENGAGE, arrivals, found.refusals, projects, at)


def _of_tokens(
    decoded: Decoded,
    endpoint: Endpoint,
    arrivals: list[Arrival],
    refusals: list[Refusal],
    projects: Projects,
    at: datetime,
) -> Received:
    """A request whose records name their projects by token: each project has its refusals, too."""
    accepted = sum(arrival.records for arrival in arrivals)
    by_project: dict[int, list[Refusal]] = {}
    strange = set()
    for refusal in refusals:
        if refusal.token and (project := projects(refusal.token)):
            by_project.setdefault(project.id, []).append(refusal)
        elif refusal.token:
            strange.add(refusal.token)
    unknown = len(refusals) - sum(map(len, by_project.values()))
    arrivals += [rejects_arrival(project, endpoint, refused, at) for project, refused in by_project.items()]
    of = frozenset(arrival.project_id for arrival in arrivals)
    return Received(decoded.form, decoded.flags, accepted, refusals, unknown, frozenset(strange), of, arrivals)


def _simplified(project: Project) -> bool:
    return project.identity == "simplified"
