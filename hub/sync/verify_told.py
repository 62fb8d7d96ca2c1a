"""What verifications and their decisions say of one person, for those who ask what became of somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.store.tables import runs, verifications
from hub.sync.verify_findings import Kind
from hub.sync.verify_reports import Way, findings_file

if TYPE_CHECKING:
    from datetime import datetime

    from hub.lake.reading import DuckDbReader
    from hub.workspace import Workspace

_SAID: Mapping[tuple[str, str], str] = {
    (Kind.MISSING, Way.REPAIR): "was not there when the partner was asked: sent again with the next run",
    (Kind.CHANGED, Way.REPAIR): "had other values at the partner: they are written again with the next run",
    (Kind.UNCERTAIN, Way.REPAIR): "an answer was lost, and the partner was asked",
    (Kind.EXTRA, Way.ADOPT): "was there without the hub's doing: the hub's own from now on",
    (Kind.EXTRA_IN_COHORT, Way.ADOPT): "was there without the hub's doing: the hub's own from now on",
    (Kind.EXTRA, Way.IGNORE): "was there without the hub's doing: left so",
    (Kind.EXTRA_IN_COHORT, Way.IGNORE): "was there without the hub's doing: left so",
}


def decided_about(
    workspace: Workspace, reader: DuckDbReader, sync_ids: Sequence[int], ids: Sequence[str]
) -> Iterator[tuple[datetime, str, int, int, str]]:
    """What was decided about somebody, by any id: (when, said, sync, run, key), for findings that are still kept."""
    query = (
        select(verifications.c.id, verifications.c.decided, runs.c.id.label("run"), runs.c.sync_id, runs.c.created_at)
        .join(runs, runs.c.id == verifications.c.run_id)
        .where(runs.c.sync_id.in_(sync_ids))
    )
    with workspace.store.reading() as connection:
        reports = connection.execute(query).all()
    for report in reports:
        file = findings_file(workspace, report.id)
        if not file.exists():
            continue
        rows = reader.files(file)
        found = rows.filter(rows.person.isin([*ids]), rows.kind.isin([*report.decided])).select("kind", "key", "there")
        for batch in reader.batches(found):
            for row in batch.to_pylist():
                said = _SAID[Kind(row["kind"]), Way(report.decided[row["kind"]])]
                if row["kind"] == Kind.UNCERTAIN:
                    said += f": {'there' if row['there'] else 'not there'}"
                yield report.created_at, said, report.sync_id, report.run, row["key"]
