"""A run's first step: who is in the cohort, by which key, with which values; in one file of the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from hub.cohorts.members import qualified
from hub.lake.reading import DuckDbReader
from hub.sync.mapped_values import with_values
from hub.sync.mapping import Fields, properties
from hub.sync.plan_rows import disk, keep, write_rows

if TYPE_CHECKING:
    import ibis

    from hub.cohorts.question import Question
    from hub.connectors.matching import MatchOn
    from hub.lake.reading import Reader
    from hub.workspace import Workspace

NO_PROFILE, NO_KEY, SHARED_KEY = "no profile", "no key", "shared key"
"""Why somebody in the cohort cannot go out: no profile property at all; no value for a match key; or somebody
else has the same value, and goes out for both."""
INVALID = {"email": "invalid e-mail", "phone": "invalid phone"}
"""Why somebody without a key has none although there is a value, by the normalisation whose rules it breaks."""

MEMBERS = ("person", "has_profile", "key", "mapped", "invalid", "unusable")
"""The columns of the file: `mapped` has the typed text of each target, and `unusable` why its value is not sent
(`hub.cohorts.mapped.by_target`)."""


@dataclass(frozen=True)
class Counts:
    """Who is in a cohort, and who of them cannot go out; `distinct_keys` can, each key once."""

    qualified: int
    no_profile: int
    no_key: int
    invalid_email: int
    invalid_phone: int
    distinct_keys: int

    @property
    def shared(self) -> int:
        """Those whose key goes out for somebody else."""
        return self.qualified - self.no_profile - self.no_key - self.distinct_keys

    @property
    def skipped(self) -> dict[str, int]:
        """How many cannot go out, by reason; reasons of nobody are left out."""
        reasons = {
            NO_PROFILE: self.no_profile,
            NO_KEY: self.no_key - self.invalid_email - self.invalid_phone,
            INVALID["email"]: self.invalid_email,
            INVALID["phone"]: self.invalid_phone,
            SHARED_KEY: self.shared,
        }
        return {reason: people for reason, people in reasons.items() if people}


def evaluate(workspace: Workspace, question: Question, match: Sequence[MatchOn], fields: Fields, path: Path) -> None:
    """Write who is in a cohort to `path`, with what the mapping makes of their values; all of it or nothing.

    The engine of the settings is asked who is in it; what is made of values is made here.
    """
    with workspace.reading() as reader:
        people = qualified(reader, workspace.project, question, match=match, mapping=properties(fields))
        write_members(reader, people, path)
    if all(field.plain for field in fields.values()):
        return
    with workspace.reading_here() as reader:
        write_members(reader, with_values(reader.files(path), fields, workspace.project.zone), path)


def write_members(reader: Reader, people: ibis.Table, path: Path) -> None:
    """Write an evaluated cohort (the columns of MEMBERS, `unusable` only if it has that) to `path`, all or nothing."""
    import ibis

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".writing")
    if "unusable" not in people.columns:
        people = people.mutate(unusable=ibis.null("string"))
    rows = people[MEMBERS]
    if isinstance(reader, DuckDbReader):  # by all its threads, and not through ours
        reader.backend.raw_sql("SET preserve_insertion_order = false")  # which would keep what is not in turn in memory
        write_rows(reader, rows, unfinished)
    else:
        schema = rows.schema().to_pyarrow()
        with disk(path), pq.ParquetWriter(unfinished, schema, compression="zstd", compression_level=1) as writer:
            for batch in reader.batches(rows):
                writer.write_batch(batch.cast(schema))
    keep(unfinished, path)


def count(reader: Reader, people: ibis.Table) -> Counts:
    """Count the members of a file that `write_members` made."""
    identified = people.has_profile
    without = identified & people.key.isnull()
    figures = people.aggregate(
        qualified=people.count(),
        no_profile=(~identified).sum().fill_null(0),
        no_key=without.sum().fill_null(0),
        **{f"invalid_{how}": (without & (people.invalid == how)).sum().fill_null(0) for how in INVALID},
        distinct_keys=people.key.nunique(where=identified),
    )
    row = next(iter(reader.batches(figures))).to_pylist()[0]
    return Counts(**{name: int(value) for name, value in row.items()})


def going(people: ibis.Table, *, shared: int) -> ibis.Table:
    """Who goes out: identified, with a key; of several with the same key the one whose id sorts first."""
    import ibis

    found = people.filter(people.has_profile, people.key.notnull())
    if not shared:
        return found
    of_key = ibis.window(group_by=found.key, order_by=found.person)
    return found.mutate(nth=ibis.row_number().over(of_key)).filter(lambda row: row.nth == 0).drop("nth")
