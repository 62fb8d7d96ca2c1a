"""Planning syncs: what they send and where to is fixed; how often, with which values, and whether, may change."""

from __future__ import annotations

from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from hub.declared.guards import guards_fields, guards_spec
from hub.declared.plan import Entry, changes
from hub.declared.values import USUAL
from hub.errors import UsageError
from hub.sync.intervals import interval_text
from hub.sync.mapping import checked
from hub.sync.schedule import Every
from hub.sync.states import ACTIVE, PAUSED, STOPPED
from hub.sync.thresholds import refuse_leavers

if TYPE_CHECKING:
    from hub.declared.context import Context
    from hub.declared.file import SyncSpec
    from hub.sync.models import Sync
    from hub.sync.schedule import Schedule

_FIXED = ("cohort", "connection", "audience")


def plan_syncs(context: Context) -> None:
    """Plan the syncs of the file."""
    known = {each.name: each for each in context.hub.syncs.list()}
    for name, spec in context.wanted("syncs").items():
        path = ("syncs", name)
        if name != name.strip() or len(name) > 255 or not name.isprintable():
            context.refuse(path, "cannot be the name of a sync: it is one line of 1 to 255 letters.")
        for key, section in (("cohort", "cohorts"), ("connection", "connections")):
            if getattr(spec, key) not in context.future(section):
                context.refuse_unknown((*path, key), section, getattr(spec, key))
        if spec.after is not None and spec.after not in context.future("syncs"):
            context.refuse_unknown((*path, "after"), "syncs", spec.after)
        _check_abilities(context, name, spec)
        context.entries.append(_entry(context, name, spec, known.get(name)))
    context.add_rest("syncs")
    for name in context.goes("connections"):
        busy = [sync for sync in context.hub.connections.uses(name).busy if sync not in context.goes("syncs")]
        if busy:
            context.problems.append(f"The connection {name!r} cannot be removed: the sync {busy[0]!r} uses it.")
    _check_order(context)
    _check_audiences(context, known)


def _entry(context: Context, name: str, spec: SyncSpec, known: Sync | None) -> Entry:
    if known is None:
        return Entry("syncs", name, "make", changes({}, _fields_of(spec)))
    before = {
        "cohort": known.cohort,
        "connection": known.connection,
        "audience": known.audience,
        "every": _often(known.schedule),
        "mapping": dict(known.mapping),
        "leavers": known.leavers.value,
        "within": _length(known.freshness.within if known.freshness else None),
        "stopped": known.state == STOPPED,
        "paused": known.state == PAUSED,
    }
    guarded = guards_fields(guards_spec(known.guards)) if spec.guards is not None else {}
    after = {**before, **_fields_of(spec)}
    found = changes({**before, **guarded}, after)
    moved = [each for each in found if each.name in _FIXED]
    for each in moved:
        # the name of an audience that is not given is the cohort's
        if each.name != "audience" or spec.audience or len(moved) == 1:
            context.refuse(
                ("syncs", name, each.name),
                f"the sync has the {each.name} {each.before!r}, and cannot get {each.after!r}.",
                "Give the new one another name; the old one is removed with --prune, or with `hub sync remove`.",
            )
    return Entry("syncs", name, "change" if found else "unchanged", found)


def _fields_of(spec: SyncSpec) -> dict[str, Any]:
    kept = {
        "leavers": spec.leavers.value if spec.leavers else None,
        "within": None if spec.within is None else _length(spec.within),
        "stopped": spec.stopped,
        "paused": spec.paused,
    }
    return {
        "cohort": spec.cohort,
        "connection": spec.connection,
        "audience": spec.audience_name,
        "every": _often(spec.schedule),
        "mapping": dict(spec.mapping),
        **{key: value for key, value in kept.items() if value is not None},
        **guards_fields(spec.guards),
    }


def _check_abilities(context: Context, name: str, spec: SyncSpec) -> None:
    """Refuse what the connector cannot do with leavers, or with missing values."""
    if spec.connection not in context.future("connections"):
        return
    connection = context.wanted("connections").get(spec.connection) or context.there("connections")[spec.connection]
    kind = context.hub.plugins.connectors.get(connection.connector)
    if kind is None:
        return
    try:
        if spec.leavers is not None:
            refuse_leavers(spec.leavers, kind)
    except UsageError as error:
        context.refuse(("syncs", name, "leavers"), error.message, error.hint)
    try:
        checked(spec.mapping, kind)
    except UsageError as error:
        context.refuse(("syncs", name, "mapping"), error.message, error.hint)


def _often(schedule: Schedule) -> str:
    return interval_text(schedule.length) if isinstance(schedule, Every) else str(schedule)


def _length(within: timedelta | str | None) -> str:
    return interval_text(within) if isinstance(within, timedelta) else USUAL


def _check_order(context: Context) -> None:
    """Refuse syncs that would wait for each other."""
    after = {name: spec.after for name, spec in context.there("syncs").items() if name not in context.goes("syncs")}
    after |= {name: spec.after for name, spec in context.wanted("syncs").items()}
    try:
        TopologicalSorter({name: [leader] for name, leader in after.items() if leader}).prepare()
    except CycleError as error:
        way = " after ".join(reversed(error.args[1]))
        context.problems.append(f"These syncs would wait for each other: {way}.")


def _check_audiences(context: Context, known: dict[str, Sync]) -> None:
    """Let an audience be written by one sync of the file, and say which sync of the hub has to leave it."""
    writers: dict[tuple[str, str], str] = {}
    for name, spec in context.wanted("syncs").items():
        if not _is_active(spec, known.get(name)) or spec.connection not in context.future("connections"):
            continue
        spot = (spec.connection, _key(context, spec.connection, spec.audience_name))
        if spot in writers:
            context.refuse(
                ("syncs", name),
                f"writes the audience {spec.audience_name!r}, which the sync {writers[spot]!r} writes.",
                "Give one of them another audience, or `stopped: true`.",
            )
        writers[spot] = name
    for other in known.values():
        if (
            other.state not in (ACTIVE, PAUSED)
            or other.name in context.wanted("syncs")
            or other.name in context.goes("syncs")
        ):
            continue
        by = writers.get((other.connection, _key(context, other.connection, other.audience)))
        if by is not None:
            _note(context, by, f"The sync {other.name}, which writes that audience, is stopped.")


def _note(context: Context, name: str, said: str) -> None:
    place = next(number for number, each in enumerate(context.entries) if (each.section, each.name) == ("syncs", name))
    entry = context.entries[place]
    context.entries[place] = Entry(entry.section, entry.name, entry.action, entry.fields, (*entry.notes, said))


def _is_active(spec: SyncSpec, known: Sync | None) -> bool:
    if spec.stopped is not None:
        return not spec.stopped
    return known is None or known.state in (ACTIVE, PAUSED)


def _key(context: Context, connection: str, audience: str) -> str:
    spec = context.wanted("connections").get(connection) or context.there("connections")[connection]
    return context.hub.connections.audience_key(spec.connector, audience)
