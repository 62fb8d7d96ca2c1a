"""The control plane's record of imports: which file came how far, and what of it was rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Row, select

from hub.clock import now
from hub.errors import Busy
from hub.events.batch import Tally
from hub.events.report import SAMPLE, ImportReport, Reject
from hub.events.source import Source
from hub.store.store import Store
from hub.store.tables import import_rejects, imports


@dataclass(frozen=True)
class Entry:
    """How far the import of one file is: `lines` of it are done, in `chunk` chunks."""

    id: int
    lines: int
    chunk: int
    tally: Tally
    done: bool

    def after(self, lines: int, tally: Tally) -> Entry:
        """The entry when one more chunk, which ends at line `lines`, is done."""
        return replace(self, lines=lines, chunk=self.chunk + 1, tally=self.tally + tally)


def is_done(store: Store, project_id: int, kind: str, source: Source) -> bool:
    """Whether this file is in as a whole."""
    wanted = (imports.c.project_id == project_id, imports.c.kind == kind, imports.c.digest == source.digest)
    with store.reading() as connection:
        return connection.execute(select(imports.c.state).where(*wanted)).scalar() == "done"


def begin(store: Store, project_id: int, kind: str, source: Source) -> Entry:
    """Find the import of this file, or note that it begins. `kind` is `events` or `profiles`."""
    wanted = (imports.c.project_id == project_id, imports.c.kind == kind, imports.c.digest == source.digest)
    with store.writing() as connection:
        row = connection.execute(select(imports).where(*wanted)).first()
        if row is None:
            values = {"project_id": project_id, "kind": kind, "digest": source.digest, "name": source.name}
            connection.execute(imports.insert().values(**values, size=source.size, state="running", started_at=now()))
            row = connection.execute(select(imports).where(*wanted)).one()
        return _entry(row, _rejects(connection, row.id))


def check_alone(connection: Connection, entry: Entry) -> None:
    """Make sure, within a writing transaction, that nobody else has taken this import further. Raises Busy."""
    found = connection.execute(select(imports.c.lines).where(imports.c.id == entry.id).with_for_update()).scalar_one()
    if found != entry.lines:
        raise Busy("Another process is importing this very file now.", hint="Wait until it is done.")


def record(connection: Connection, entry: Entry) -> None:
    """Note how far an import is, with the samples of rejected lines. An entry that is further already is left alone."""
    tally = entry.tally
    here = imports.c.id == entry.id
    connection.execute(select(imports.c.id).where(here).with_for_update())
    connection.execute(
        imports.update()
        .where(here, imports.c.lines < entry.lines)
        .values(
            lines=entry.lines,
            chunk=entry.chunk,
            accepted=tally.accepted,
            rejected=tally.rejected,
            reasons=tally.reasons,
        )
    )
    kept = {_number(reject) for reject in _rejects(connection, entry.id)}
    fresh = [reject for reject in tally.rejects if _number(reject) not in kept][: SAMPLE - len(kept)]
    if fresh:
        connection.execute(import_rejects.insert(), [_row(entry.id, reject) for reject in fresh])


def finish(store: Store, entry: Entry) -> None:
    """Note that a file is in as a whole."""
    with store.writing() as connection:
        changes = {"state": "done", "finished_at": now()}
        connection.execute(
            imports.update().where(imports.c.id == entry.id, imports.c.state == "running").values(**changes)
        )


def report(entry: Entry, source: Source, seconds: float) -> ImportReport:
    """What became of a file, by its entry as it was found or as it ended."""
    tally = entry.tally
    return ImportReport(
        file=source.name,
        digest=source.digest,
        state="already imported" if entry.done else "done",
        lines=entry.lines,
        accepted=tally.accepted,
        rejected=tally.rejected,
        reasons=tally.reasons,
        rejects=tally.rejects,
        seconds=seconds,
        unit=source.form,
    )


def refused(tally: Tally, lines: int, source: Source, seconds: float) -> ImportReport:
    """What was found wrong in a file of which nothing goes in."""
    return ImportReport(
        file=source.name,
        digest=source.digest,
        state="refused",
        lines=lines,
        accepted=0,
        rejected=tally.rejected,
        reasons=tally.reasons,
        rejects=tally.rejects,
        seconds=seconds,
        unit=source.form,
    )


def _entry(row: Row[tuple[object, ...]], rejects: Sequence[Reject]) -> Entry:
    tally = Tally(row.accepted, row.rejected, dict(row.reasons), list(rejects))
    return Entry(row.id, row.lines, row.chunk, tally, row.state == "done")


def _rejects(connection: Connection, import_id: int) -> list[Reject]:
    rows = connection.execute(
        select(import_rejects).where(import_rejects.c.import_id == import_id).order_by(import_rejects.c.line)
    )
    return [_reject(row) for row in rows]


def _number(reject: Reject) -> int:
    """What tells the rejected lines of a file apart: several elements may begin on one line."""
    return reject.element or reject.line


def _row(import_id: int, reject: Reject) -> dict[str, object]:
    return {
        "import_id": import_id,
        "line": _number(reject),
        "begins_on": reject.line if reject.element else None,
        "reason": reject.reason,
        "excerpt": reject.excerpt,
    }


def _reject(row: Row[tuple[object, ...]]) -> Reject:
    if row.begins_on is None:
        return Reject(row.line, row.reason, row.excerpt)
    return Reject(row.begins_on, row.reason, row.excerpt, row.line)
