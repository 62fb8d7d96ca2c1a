"""Which syncs of a cohort leave a member out, by the rules of their plan: identified, and with a key of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.cohorts.explain.explaining import explain
from hub.cohorts.explain.report import LeftOut
from hub.cohorts.keys import normalised_text, sound
from hub.connectors.matching import match_of
from hub.errors import HubError
from hub.lake.tables import PROFILES
from hub.people.views import match_value
from hub.store.tables import connections, syncs

if TYPE_CHECKING:
    from hub.cohorts.cohort import Cohort
    from hub.cohorts.explain.report import Explanation
    from hub.cohorts.explain.values import Properties
    from hub.cohorts.question import Question
    from hub.connectors.matching import MatchOn
    from hub.connectors.plugins import Plugins
    from hub.lake.reading import Reader
    from hub.workspace import Workspace

_ACTIVE = "active"
_CANDIDATES = 20
"""So many other people with the same key are looked at."""


def left_out(
    workspace: Workspace,
    reader: Reader,
    plugins: Callable[[], Plugins],
    cohort: Cohort,
    question: Question,
    found: Explanation,
) -> tuple[LeftOut, ...]:
    """Why each active sync of the cohort leaves out somebody who is in it. Lists bring keys of their own."""
    if question.listing is not None:
        return ()
    if not found.has_profile:
        return (LeftOut("", "no profile", "the profile has no property, or is not there: no sync sends them"),)
    told = []
    for sync, match in _keys(workspace, plugins, cohort.id):
        known = _key_of(found.profile, found.person, match)
        if known is None:
            wanted = " or ".join(on.property for on in match)
            told.append(
                LeftOut(sync, "no key", f"the profile has no valid {wanted}, by which the partner knows people")
            )
            continue
        on, value = known
        if other := _who_goes_out(workspace, reader, question, on, value, found.person):
            told.append(LeftOut(sync, "shared key", f"{other} has the same {on.property} and goes out for both"))
    return tuple(told)


def _keys(workspace: Workspace, plugins: Callable[[], Plugins], cohort_id: int) -> list[tuple[str, Sequence[MatchOn]]]:
    """The active syncs of a cohort, each with the keys by which its connection matches people."""
    query = (
        select(syncs.c.name, connections.c.connector, connections.c.match_keys)
        .join(connections, connections.c.id == syncs.c.connection_id)
        .where(syncs.c.cohort_id == cohort_id, syncs.c.state == _ACTIVE)
        .order_by(syncs.c.name)
    )
    with workspace.store.reading() as connection:
        rows = connection.execute(query).all()
    known: list[tuple[str, Sequence[MatchOn]]] = []
    for row in rows:
        try:
            known.append((row.name, match_of(plugins().connector(row.connector), row.match_keys)))
        except HubError:  # its plugin is gone, broken or another one, which `hub doctor` or a run tells
            continue
    return known


def _key_of(profile: Properties | None, person: str, match: Sequence[MatchOn]) -> tuple[MatchOn, str] | None:
    """The first key of which somebody has a value, and that value."""
    for on in match:
        value = _key_value(profile, person, on)
        if value is not None:
            return on, value
    return None


def _key_value(profile: Properties | None, person: str, on: MatchOn) -> str | None:
    """The value of a match key, as `hub.people.views.match_value` and `hub.cohorts.keys` have it."""
    if on.property == "distinct_id":
        text: str | None = person
    else:
        value = profile.value(on.property) if profile else None
        plain = value.plain if value else None
        text = str(plain) if isinstance(plain, int) and not isinstance(plain, bool) else value.text if value else None
    return sound(normalised_text(text, on.normalize), on.normalize) if text else None


def _who_goes_out(
    workspace: Workspace, reader: Reader, question: Question, on: MatchOn, value: str, person: str
) -> str | None:
    """Who goes out in the place of a person: of the members with the same key, the one whose id sorts first."""
    if on.property == "distinct_id":
        return None
    rows = reader.table(PROFILES, [("project_id", "=", str(workspace.project.id))])
    same = rows.filter(match_value(rows, on.property, on.normalize) == value).select("distinct_id").distinct()
    ids = [row["distinct_id"] for batch in reader.batches(same.limit(_CANDIDATES)) for row in batch.to_pylist()]
    others = (explain(reader, workspace.project, question, each) for each in ids if each != person)
    going = {
        each.person
        for each in others
        if each and each.member and each.person < person and _key_value(each.profile, each.person, on) == value
    }
    return min(going, default=None)
