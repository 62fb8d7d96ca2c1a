"""What was decided about the findings of a verification, written into the books.

Decisions are a run of the trigger `verify`: it sends nothing and only settles. So everybody who writes `held` is a run,
and its number tells who was later. What it writes lies in a file before the run is: killed anywhere, nothing was
decided, or whoever comes next writes it down.

Nobody whom the hub put into an audience is forgotten on the word of a listing: who is missing is in doubt from then on.
The next run sends such a member again, or takes him out if he has left the cohort; both are harmless to a partner that
only shows him late. Only whom the partner has refused by name, and does not list, is taken off the books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from hub.clock import counted
from hub.errors import HubError, StoreError, UsageError
from hub.lake.tables import HELD, KNOWN_EXTRAS, TableLayout
from hub.store.lease import Lease, writing_under
from hub.store.tables import verifications
from hub.sync.ledger import write_run
from hub.sync.states import RunState
from hub.sync.triggers import Trigger
from hub.sync.verify_findings import Kind

if TYPE_CHECKING:
    import ibis
    from sqlalchemy import Row

    from hub.lake.reading import DuckDbReader
    from hub.sync.ledger import Ledger
    from hub.workspace import Workspace


class Way(StrEnum):
    """What can be done about findings."""

    ADOPT = "adopt"
    """They are the hub's from now on, and are taken out when they leave the cohort."""
    REPAIR = "repair"
    """The next run mends it, by the usual plan and guards."""
    IGNORE = "ignore"
    """They are known from now on: the next verification does not tell of them."""


WAYS: Mapping[Way, tuple[Kind, ...]] = {
    Way.ADOPT: (Kind.EXTRA, Kind.EXTRA_IN_COHORT),
    Way.REPAIR: (Kind.MISSING, Kind.CHANGED, Kind.UNCERTAIN),
    Way.IGNORE: (Kind.EXTRA, Kind.EXTRA_IN_COHORT),
}
"""The kinds of findings that each way is for."""

Decisions = Mapping[Kind, Way]

_SAID = {
    (Kind.MISSING, Way.REPAIR): ("missing member is", "missing members are", "sent again by the next run"),
    (Kind.CHANGED, Way.REPAIR): ("changed member is", "changed members are", "set right by the next run"),
    (Kind.UNCERTAIN, Way.REPAIR): ("uncertain member is", "uncertain members are", "certain again if it is there"),
    (Kind.EXTRA, Way.ADOPT): ("extra member is", "extra members are", "the hub's from now on"),
    (Kind.EXTRA_IN_COHORT, Way.ADOPT): (
        "member of the cohort is",
        "members of the cohort are",
        "the hub's from now on",
    ),
    (Kind.EXTRA, Way.IGNORE): ("extra member is", "extra members are", "known from now on"),
    (Kind.EXTRA_IN_COHORT, Way.IGNORE): ("member of the cohort is", "members of the cohort are", "known from now on"),
}
_KEYS = pa.schema([("key", pa.string())])


def decisions_of(chosen: Mapping[Way, Sequence[str]]) -> dict[Kind, Way]:
    """What is to be done about each kind. Raises UsageError when a way is not for a kind, or a kind stands twice."""
    decided: dict[Kind, Way] = {}
    for way, kinds in chosen.items():
        for name in kinds:
            if name not in WAYS[way]:
                raise UsageError(f"--{way} is not for {name}.", hint=f"It is for {', '.join(WAYS[way])}.")
            kind = Kind(name)
            if decided.setdefault(kind, way) is not way:
                raise UsageError(f"--{decided[kind]} {kind} and --{way} {kind} exclude each other.")
    return decided


def held_file(folder: Path) -> Path:
    """Where the rows of `held` lie that a decision makes; without the number of their run."""
    return folder / "held.parquet"


def known_file(folder: Path) -> Path:
    """Where the keys lie that are known extras from then on."""
    return folder / "known.parquet"


def write_books(
    reader: DuckDbReader, findings: Path, decided: Decisions, *, report: Row[Any], sync: Row[Any], folder: Path
) -> None:
    """Write what the decisions change, to two files in `folder`."""
    found = reader.files(findings)
    targets = sorted(sync.mapping)
    parts = [
        part
        for kind, way in decided.items()
        if way is not Way.IGNORE
        for part in _changed(found.filter(found.kind == kind.value), kind, targets, values_read=report.values_read)
    ]
    with pq.ParquetWriter(held_file(folder), HELD.schema) as file:
        if parts:
            columns = {"connection_id": sync.connection_id, "audience_id": report.audience_id, "run_id": 0}
            rows = reduce(lambda some, more: some.union(more), parts)
            if any(way is Way.ADOPT for way in decided.values()):
                rows = rows.mutate(since=rows.since.fill_null(report.began_at))
            for batch in reader.batches(rows.mutate(**columns)[HELD.schema.names]):
                file.write_batch(batch.cast(HELD.schema))
    ignored = [kind.value for kind, way in decided.items() if way is Way.IGNORE]
    with pq.ParquetWriter(known_file(folder), _KEYS) as file:
        if ignored:
            for batch in reader.batches(found.filter(found.kind.isin(ignored)).select("key")):
                file.write_batch(batch.cast(_KEYS))


def _changed(rows: ibis.Table, kind: Kind, targets: Sequence[str], *, values_read: bool) -> list[ibis.Table]:
    if kind is Kind.MISSING:
        return [_row(rows, rows.mapped, certain=False)]
    if kind is Kind.CHANGED:
        return [_row(rows, _as_read(rows, targets), certain=True)]
    if kind is Kind.UNCERTAIN:
        there = rows.filter(rows.there)
        mapped = _as_read(there, targets) if values_read or not targets else _nothing()
        refused = rows.filter(~rows.there, rows.refused)
        return [_row(there, mapped, certain=True), _row(refused, refused.mapped, certain=False, gone=True)]
    return [_row(rows, _nothing(), certain=True)]


def _row(rows: ibis.Table, mapped: ibis.Value, *, certain: bool, gone: bool = False) -> ibis.Table:
    return rows.select("key", "person", "since", mapped=mapped, certain=certain, gone=gone)


def _as_read(rows: ibis.Table, targets: Sequence[str]) -> ibis.Value:
    """The values of the books, with those that are others at the partner as they are there: the next run writes them
    again, and an undo of it sets them back."""
    import ibis

    if not targets:
        return _nothing()
    kept = [
        rows.differs.contains(target).fill_null(False).ifelse(rows.read.get(target), rows.mapped.get(target))
        for target in targets
    ]
    return ibis.map(ibis.array([*targets]), ibis.array(kept))


def _nothing() -> ibis.Value:
    import ibis

    return ibis.null("map<string, string>")


def open_books(
    workspace: Workspace,
    lease: Lease,
    decided: Decisions,
    *,
    report: Row[Any],
    sync: Row[Any],
) -> int:
    """Write down that it was decided so: from here on it will be done. Returns the number of the run."""
    with writing_under(workspace.store, lease) as connection:
        run_id = write_run(
            connection,
            sync,
            audience_id=report.audience_id,
            state=RunState.SETTLING,
            trigger=Trigger.VERIFY.value,
            mapping=sync.mapping,
            message=said_of(decided, report.found),
        )
        connection.execute(
            verifications.update()
            .where(verifications.c.id == report.id)
            .values(run_id=run_id, decided={kind.value: way.value for kind, way in decided.items()})
        )
    return run_id


def end_books(workspace: Workspace, ledger: Ledger, run: Row[Any]) -> None:
    """Write down what was decided, and end the run of it. Raises StoreError; then it can be repeated."""
    try:
        settle_books(workspace, run)
    except StoreError:
        raise
    except HubError as error:
        ledger.move(run.id, RunState.FAILED, message=error.message, hint=error.hint)
    else:
        ledger.move(run.id, RunState.DONE)


def settle_books(workspace: Workspace, run: Row[Any]) -> None:
    """Write what was decided into the lake, for a run of the trigger `verify`. Harmless when repeated.

    Raises StoreError when it cannot be written (then it can be repeated), HubError when its files are gone.
    """
    with workspace.store.reading() as connection:
        report = connection.execute(select(verifications.c.id).where(verifications.c.run_id == run.id)).scalar_one()
    folder = report_folder(workspace, report)
    columns = {"run_id": run.id, "audience_id": run.audience_id, "since": run.created_at}
    written = (
        (HELD, held_file(folder), {"run_id": run.id}),
        (KNOWN_EXTRAS, known_file(folder), columns),
    )
    for layout, file, values in written:
        try:
            rows = pq.read_metadata(file).num_rows
        except OSError as error:
            raise HubError(
                f"What was decided about verification {report} is gone from {folder}; nothing was changed.",
                hint="Verify again.",
            ) from error
        if rows:
            of_run = _rows_of(file, layout, values)
            workspace.lake.append(layout, of_run, application=f"audience:{run.audience_id}", version=run.id)


def report_folder(workspace: Workspace, report_id: int) -> Path:
    """Where a verification keeps its files: what it found, and its requests and answers."""
    return workspace.runs_folder / f"verify-{report_id}"


def said_of(decided: Mapping[Any, Any], found: Mapping[str, int]) -> str:
    """Decisions in a sentence; `found` has members by kind."""
    said = []
    for kind, way in decided.items():
        one, many, what = _SAID[Kind(kind), Way(way)]
        said.append(f"{counted(found.get(kind, 0), one, many)} {what}")
    return f"{'; '.join(said)}." if said else ""


def _rows_of(file: Path, layout: TableLayout, values: Mapping[str, Any]) -> Callable[[], Iterator[pa.RecordBatch]]:
    """The rows of a file with the columns of `layout`, some of which have one value throughout."""

    def batches() -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(file) as rows:
            for batch in rows.iter_batches():
                columns = [
                    pa.repeat(pa.scalar(values[each.name], each.type), batch.num_rows)
                    if each.name in values
                    else batch.column(each.name)
                    for each in layout.schema
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=layout.schema)

    return batches
