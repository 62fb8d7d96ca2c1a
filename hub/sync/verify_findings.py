"""What a partner has beside what the hub believes it to have: compared in DuckDB, file by file, and counted.

What was written too shortly before the listing to show in it for certain (`Limits.visible_after`) is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.cohorts.mapped import decode
from hub.lake.tables import HELD, KNOWN_EXTRAS
from hub.sync.held import held_by

if TYPE_CHECKING:
    import ibis

    from hub.connectors.contract import Connector
    from hub.lake.reading import DuckDbReader

SAMPLE = 10
"""Members shown of each kind."""
ROWS_AT_ONCE = 20_000


class Kind(StrEnum):
    """What can be found of a member."""

    MISSING = "missing"
    """The hub put it there, and it is not there."""
    CHANGED = "changed"
    """There, and a mapped value is not the one that the hub wrote."""
    UNCERTAIN = "uncertain"
    """Sent without an answer, so that the books do not tell whether it is there. The listing does."""
    EXTRA_IN_COHORT = "extra-in-cohort"
    """There without the hub's doing, and in the cohort."""
    EXTRA = "extra"
    """There without the hub's doing, and not in the cohort."""
    KNOWN = "known"
    """An extra that somebody chose to leave as it is."""
    RECENT = "recent"
    """Written so shortly before that the partner may not show it yet: nobody can tell."""


DIFFERENCES = (Kind.MISSING, Kind.CHANGED, Kind.UNCERTAIN, Kind.EXTRA_IN_COHORT, Kind.EXTRA)
"""The kinds for which the partner and the books say different things."""

FINDINGS = pa.schema(
    [
        ("kind", pa.string()),
        ("key", pa.string()),
        ("person", pa.string()),
        ("there", pa.bool_()),  # the partner told of it
        ("refused", pa.bool_()),  # the partner refused it when it was last sent
        ("differs", pa.list_(pa.string())),  # targets whose values are not those that were written
        ("mapped", HELD.schema.field("mapped").type),  # as the books have them
        ("read", HELD.schema.field("mapped").type),  # as the partner told them
        ("since", HELD.schema.field("since").type),
    ]
)
_DIFFERS = pa.schema([("key", pa.string()), ("differs", pa.list_(pa.string()))])
_REFUSED = pa.schema([("key", pa.string()), ("in_audience", pa.bool_())])


@dataclass(frozen=True)
class Found:
    """One member of a sample. `differs` are the targets whose values are others than the hub wrote."""

    key: str
    person: str
    there: bool
    differs: Sequence[str] = ()

    def figures(self) -> dict[str, Any]:
        """For machines."""
        return {"key": self.key, "person": self.person, "there": self.there, "differs": list(self.differs)}


@dataclass(frozen=True)
class Compared:
    """What a comparison found: `listed` members are there, `held` by the hub; `counts` has members by kind."""

    listed: int
    held: int
    counts: Mapping[str, int] = field(default_factory=dict)


class Comparison:
    """One listing of an audience beside the books.

    `horizon` is the instant from which on a change may not show yet; `targets` are the mapped values, empty where the
    partner tells none. With `everything`, known extras are found like any other. `folder` is for files of its own.
    """

    def __init__(
        self,
        reader: DuckDbReader,
        connector: type[Connector],
        *,
        audience_id: int,
        listing: Path,
        targets: Sequence[str],
        horizon: datetime,
        everything: bool,
        folder: Path,
    ) -> None:
        self._reader = reader
        self._connector = connector
        self._audience_id = audience_id
        self._listing = listing
        self._targets = targets
        self._horizon = horizon
        self._everything = everything
        self._folder = folder

    def refused(self, pages: Iterator[Sequence[Any]]) -> None:
        """Note whom the partner has refused: rows of the exceptions, page by page."""
        with pq.ParquetWriter(self._refused, _REFUSED) as file:
            for page in pages:
                rows = [{"key": row.key, "in_audience": row.in_audience} for row in page]
                file.write_table(pa.Table.from_pylist(rows, schema=_REFUSED))

    def strangers(self) -> int:
        """How many are there whom the hub did not put there, and nobody knows of."""
        return int(self._reader.value((self._side_by_side().kind == "stranger").sum().fill_null(0)))

    def write(self, findings: Path, members: Path | None) -> Compared:
        """Write a row for each member of whom anything is to be said to `findings`, by kind and key.

        `members` is the file of the evaluated cohort, where there are strangers.
        """
        self._compare_values()
        rows = self._side_by_side()
        differs = self._reader.files(self._differs)
        rows = rows.left_join(differs, "key").drop("key_right")
        rows = self._named(rows, members).rename(read="values")
        unsettled = rows.filter(rows.kind != "agreed")[FINDINGS.names].order_by("kind", "key")
        self._reader.backend.to_parquet(unsettled, findings, COMPRESSION="zstd")
        listed = self._listed().count()
        held = held_by(self._reader, self._audience_id).count()
        return Compared(
            int(self._reader.value(listed)), int(self._reader.value(held)), counts_of(self._reader, findings)
        )

    @property
    def _refused(self) -> Path:
        return self._folder / "refused.parquet"

    @property
    def _differs(self) -> Path:
        return self._folder / "differs.parquet"

    def _listed(self) -> ibis.Table:
        listed = self._reader.files(self._listing)
        return listed.group_by("key").aggregate(values=listed["values"].arbitrary())

    def _side_by_side(self) -> ibis.Table:
        """Everybody who is held or there, with the books' columns, `values`, `there`, `refused` and a first `kind`."""
        import ibis

        held = held_by(self._reader, self._audience_id).select("key", "person", "mapped", "certain", "since")
        listed = self._listed().mutate(there=True)
        both = held.outer_join(listed, "key")
        both = both.mutate(key=ibis.coalesce(both.key, both.key_right), there=both.there.fill_null(False))
        refused = self._reader.files(self._refused).select(refused_key="key", in_audience="in_audience")
        rows = both.left_join(refused, both.key == refused.refused_key)
        recent = rows.since > ibis.literal(self._horizon)
        kind = ibis.cases(
            (rows.certain.isnull() & self._is_known(rows), Kind.KNOWN.value),
            (rows.certain.isnull(), "stranger"),
            (~rows.there & recent, Kind.RECENT.value),
            (~rows.there & rows.certain, Kind.MISSING.value),
            (rows.certain, "agreed"),
            # the partner has it, and refused one of its values: parked, not in doubt
            (rows.there & rows.in_audience.fill_null(False), "agreed"),
            else_=Kind.UNCERTAIN.value,
        )
        return rows.select(
            "key", "person", "mapped", "certain", "since", "there", "values",
            refused=rows.refused_key.notnull() & ~rows.in_audience.fill_null(False), kind=kind,
        )  # fmt: skip

    def _is_known(self, rows: ibis.Table) -> ibis.Value:
        import ibis

        if self._everything:
            return ibis.literal(False)
        known = self._reader.table(KNOWN_EXTRAS, [("audience_id", "=", str(self._audience_id))])
        return rows.key.isin(known.key)

    def _compare_values(self) -> None:
        """Write down whose values differ: DuckDB passes on whose texts do, the connector says whether that counts."""
        import ibis

        with pq.ParquetWriter(self._differs, _DIFFERS) as file:
            if not self._targets:
                return
            rows = self._side_by_side().filter(lambda row: row.there & row.certain.notnull())
            unequal = [
                rows.mapped.get(target).notnull()
                & (rows["values"].get(target).isnull() | (rows["values"].get(target) != rows.mapped.get(target)))
                for target in self._targets
            ]
            doubtful = rows.filter(ibis.or_(*unequal)).select("key", "mapped", "values")
            for batch in self._reader.batches(doubtful, size=ROWS_AT_ONCE):
                found = [each for row in batch.to_pylist() if (each := self._differing(row))["differs"]]
                file.write_table(pa.Table.from_pylist(found, schema=_DIFFERS))

    def _differing(self, row: Mapping[str, Any]) -> dict[str, Any]:
        written, read = dict(row["mapped"] or ()), dict(row["values"] or ())
        return {
            "key": row["key"],
            "differs": [name for name in self._targets if not self._same(name, written.get(name), read.get(name))],
        }

    def _same(self, target: str, written: str | None, read: str | None) -> bool:
        wrote, found = (None if text is None else decode(text) for text in (written, read))
        if written is None:
            return True
        if wrote is None or found is None:  # one of the two is empty
            return wrote is None and found in (None, "")
        return self._connector.same_value(target, wrote, found)

    def _named(self, rows: ibis.Table, members: Path | None) -> ibis.Table:
        """The rows with their final `kind`, and somebody's name for everybody."""
        import ibis

        recent = rows.since > ibis.literal(self._horizon)
        other = rows.differs.notnull()
        changed = (rows.kind == "agreed") & rows.certain & other
        stranger = rows.kind == "stranger"
        gone_lately = rows.key.isin(self._taken_out_lately())
        in_cohort: ibis.Value = ibis.literal(False)
        person: ibis.Value = rows.person
        if members is not None:
            going = self._reader.files(members)
            going = going.filter(going.has_profile, going.key.notnull())
            who = going.group_by("key").aggregate(member=going.person.min())
            rows = rows.left_join(who, "key").drop("key_right")
            in_cohort, person = rows.member.notnull(), ibis.coalesce(rows.person, rows.member)
        kind = ibis.cases(
            (changed & recent, Kind.RECENT.value),
            (changed, Kind.CHANGED.value),
            (stranger & gone_lately, Kind.RECENT.value),
            (stranger & in_cohort, Kind.EXTRA_IN_COHORT.value),
            (stranger, Kind.EXTRA.value),
            else_=rows.kind,
        )
        return rows.mutate(kind=kind, person=ibis.coalesce(person, rows.key))

    def _taken_out_lately(self) -> ibis.Value:
        import ibis

        held = self._reader.table(HELD, [("audience_id", "=", str(self._audience_id))])
        return held.filter(held.gone, held.since > ibis.literal(self._horizon)).key


def counts_of(reader: DuckDbReader, findings: Path) -> dict[str, int]:
    """How many members a file of findings has, by kind; none is left out."""
    rows = reader.files(findings)
    found = dict.fromkeys((kind.value for kind in Kind), 0)
    for batch in reader.batches(rows.group_by("kind").aggregate(members=rows.count())):
        found |= {row["kind"]: row["members"] for row in batch.to_pylist()}
    return found


def samples_of(reader: DuckDbReader, findings: Path, *, most: int = SAMPLE) -> dict[str, list[Found]]:
    """The first members of each kind, by key."""
    import ibis

    rows = reader.files(findings)
    numbered = rows.mutate(nth=ibis.row_number().over(group_by=rows.kind, order_by=rows.key))
    first = numbered.filter(numbered.nth < most).order_by("kind", "key")
    found: dict[str, list[Found]] = {kind.value: [] for kind in Kind}
    for batch in reader.batches(first):
        for row in batch.to_pylist():
            found[row["kind"]].append(_found(row))
    return found


def found_of(reader: DuckDbReader, findings: Path, kind: Kind) -> Iterator[Found]:
    """All members of one kind, by key."""
    rows = reader.files(findings)
    for batch in reader.batches(rows.filter(rows.kind == kind.value).order_by("key"), size=ROWS_AT_ONCE):
        for row in batch.to_pylist():
            yield _found(row)


def _found(row: Mapping[str, Any]) -> Found:
    return Found(row["key"], row["person"], row["there"], tuple(row["differs"] or ()))
