"""Which syncs of a cohort leave a member out, by the rules of their plan: identified, and with a key of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.cohorts.explain.explaining import explain
from hub.cohorts.explain.report import LeftOut
from hub.errors import HubError
from hub.lake.tables import PROFILES
from hub.people.views import match_value
from hub.store.tables import connections, syncs

if TYPE_CHECKING:
    from hub.cohorts.cohort import Cohort
    from hub.cohorts.explain.report import Explanation
    from hub.cohorts.explain.values import Properties
    from hub.cohorts.question import Question
    from hub.connectors.contract import MatchKey
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
    for sync, key in _keys(workspace, plugins, cohort.id):
        value = _key_value(found.profile, found.person, key)
        if value is None:
            told.append(
                LeftOut(sync, "no key", f"the profile has no {key.property}, by which the partner knows people")
            )
        elif other := _who_goes_out(workspace, reader, question, key, value, found.person):
            told.append(LeftOut(sync, "shared key", f"{other} has the same {key.property} and goes out for both"))
    return tuple(told)


def _keys(workspace: Workspace, plugins: Callable[[], Plugins], cohort_id: int) -> list[tuple[str, MatchKey]]:
    """The active syncs of a cohort, each with the key by which its partner knows people."""
    query = (
        select(syncs.c.name, connections.c.connector)
        .join(connections, connections.c.id == syncs.c.connection_id)
        .where(syncs.c.cohort_id == cohort_id, syncs.c.state == _ACTIVE)
        .order_by(syncs.c.name)
    )
    with workspace.store.reading() as connection:
        rows = connection.execute(query).all()
    known = []
    for row in rows:
        try:
            known.append((row.name, plugins().connector(row.connector).matching.keys[0]))
        except HubError:  # its plugin is gone or broken, which `hub doctor` tells
            continue
    return known


def _key_value(profile: Properties | None, person: str, key: MatchKey) -> str | None:
    """The value of a match key, as `hub.people.views.match_value` has it."""
    if key.property == "distinct_id":
        text: str | None = person
    else:
        value = profile.value(key.property) if profile else None
        plain = value.plain if value else None
        text = str(plain) if isinstance(plain, int) and not isinstance(plain, bool) else value.text if value else None
    if text and key.normalize == "email":
        text = text.strip().lower()
    return text or None


def _who_goes_out(
    workspace: Workspace, reader: Reader, question: Question, key: MatchKey, value: str, person: str
) -> str | None:
    """Who goes out in the place of a person: of the members with the same key, the one whose id sorts first."""
    if key.property == "distinct_id":
        return None
    rows = reader.table(PROFILES, [("project_id", "=", str(workspace.project.id))])
    same = rows.filter(match_value(rows, key.property, key.normalize) == value).select("distinct_id").distinct()
    ids = [row["distinct_id"] for batch in reader.batches(same.limit(_CANDIDATES)) for row in batch.to_pylist()]
    others = (explain(reader, workspace.project, question, each) for each in ids if each != person)
    going = {
        each.person
        for each in others
        if each and each.member and each.person < person and _key_value(each.profile, each.person, key) == value
    }
    return min(going, default=None)
