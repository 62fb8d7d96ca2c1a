"""Planning syncs: what they send and where to is fixed; how often, with which values, and whether, may change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.declared.plan import Entry, changes
from hub.sync.intervals import interval_text
from hub.sync.service import ACTIVE, STOPPED

if TYPE_CHECKING:
    from hub.declared.context import Context
    from hub.declared.file import SyncSpec
    from hub.sync.models import Sync

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
        context.entries.append(_entry(context, name, spec, known.get(name)))
    context.add_rest("syncs")
    for name in context.goes("connections"):
        busy = [sync for sync in context.hub.connections.uses(name).busy if sync not in context.goes("syncs")]
        if busy:
            context.problems.append(f"The connection {name!r} cannot be removed: the sync {busy[0]!r} uses it.")
    _check_audiences(context, known)


def _entry(context: Context, name: str, spec: SyncSpec, known: Sync | None) -> Entry:
    if known is None:
        return Entry("syncs", name, "make", changes({}, _fields_of(spec)))
    before = {
        "cohort": known.cohort,
        "connection": known.connection,
        "audience": known.audience,
        "every": interval_text(known.every) if known.every else "once",
        "mapping": dict(known.mapping),
        "stopped": known.state == STOPPED,
    }
    after = {**before, **_fields_of(spec)}
    found = changes(before, after)
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
    stopped = {} if spec.stopped is None else {"stopped": spec.stopped}
    return {
        "cohort": spec.cohort,
        "connection": spec.connection,
        "audience": spec.audience_name,
        "every": interval_text(spec.every) if spec.every else "once",
        "mapping": dict(spec.mapping),
        **stopped,
    }


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
        if other.state != ACTIVE or other.name in context.wanted("syncs") or other.name in context.goes("syncs"):
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
    return known is None or known.state == ACTIVE


def _key(context: Context, connection: str, audience: str) -> str:
    spec = context.wanted("connections").get(connection) or context.there("connections")[connection]
    return context.hub.connections.audience_key(spec.connector, audience)
