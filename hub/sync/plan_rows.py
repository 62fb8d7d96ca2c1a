"""The rows of a plan: what is to be done with each member, and the file that they are written to, all or nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cohorts.mapped import EMPTIED, by_target, text_for
from hub.errors import StoreError
from hub.sync.states import Action, Leavers

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import DuckDbReader

ROWS_IN_GROUP = 20_480
ADDED, UPDATED, LEAVES, STAYS = range(4)
"""The ranks of changes: those of a lower one are delivered first; of the last one, never."""


@dataclass(frozen=True)
class Comparing:
    """How a cohort is compared with what is held. `targets` are those of its values; `leavers` says what becomes of
    those who are held and not in the cohort; a value of a target in `once` that is held already is not overwritten.

    Two steps, because what is sorted in between is kept as a whole, in memory or on the disk: `changes` has no more
    than that needs, and `rows` makes the rows of a plan of it.
    """

    targets: Sequence[str]
    leavers: Leavers = Leavers.REMOVE
    once: Collection[str] = ()

    def changes(self, going: ibis.Table, held: ibis.Table) -> ibis.Table:
        """Whoever something is to be done with: `rank, key, person`, and for each target `new N` and `old N`."""
        import ibis

        new, old = self._columns("new"), self._columns("old")
        wanted = going.select("key", "person", **self._texts("new", going.mapped))
        present = held.select("key", "certain", held_person="person", **self._texts("old", held.mapped))
        both = wanted.outer_join(present, "key")
        leaves = both.person.isnull()
        values = {target: both[column] for target, column in new.items()}
        for target in self.once:
            first = ibis.coalesce(both[old[target]].nullif(EMPTIED), values[target])
            values[target] = leaves.ifelse(ibis.null("string"), first)
        differs = [_differs(values[target], both[old[target]]) for target in self.targets]
        anything = ibis.or_(*differs) if differs else ibis.literal(False)
        everything = both.certain.isnull() | ~both.certain
        goes = leaves
        if self.leavers is Leavers.CLEAR:
            had = [(both[column] != EMPTIED).fill_null(False) for column in old.values()]
            goes = leaves & ibis.or_(*had) if had else ibis.literal(False)
        return both.select(
            rank=ibis.cases((goes, LEAVES), (leaves, STAYS), (everything, ADDED), (anything, UPDATED), else_=STAYS),
            key=ibis.coalesce(both.key, both.key_right),
            person=ibis.coalesce(both.person, both.held_person),
            **{new[target]: value for target, value in values.items()},
            **{column: both[column] for column in old.values()},
        ).filter(lambda row: row.rank < STAYS)

    def everybody(self, going: ibis.Table) -> ibis.Table:
        """As `changes` of an audience that holds nobody: without what was there, which would be sorted, too."""
        import ibis

        return going.select("key", "person", rank=ibis.literal(ADDED), **self._texts("new", going.mapped))

    def rows(self, changes: ibis.Table) -> ibis.Table:
        """The rows of a plan: `action, key, person, fingerprint, send, mapped, before`.

        `mapped` is what is held once it is done, and `before` what an update finds there: an undo sets it back.
        """
        import ibis

        nothing, olds = ibis.null("string"), self._columns("old")
        new = {target: changes[column] for target, column in self._columns("new").items()}
        old = {target: changes[column] if column in changes.columns else nothing for target, column in olds.items()}
        everything, updates = changes["rank"] == ADDED, changes["rank"] == UPDATED
        sent = {
            target: (everything | _differs(new[target], old[target])).ifelse(new[target], nothing) for target in new
        }
        stays = {target: ibis.coalesce(new[target], old[target]) for target in new}
        if self.leavers is Leavers.CLEAR:  # what was written is told, to be emptied; nothing of it stays
            leaves = ~everything & ~updates
            sent = {target: leaves.ifelse(old[target], sent[target]) for target in new}
            stays = {target: leaves.ifelse(nothing, stays[target]) for target in new}
        return changes.select(
            action=self.action(changes),
            key=changes.key,
            person=changes.person,
            fingerprint=self.fingerprint(changes),
            send=by_target(sent),
            mapped=by_target(stays),
            before=by_target({target: updates.ifelse(value, nothing) for target, value in old.items()}),
        )

    def action(self, changes: ibis.Table) -> ibis.Value:
        """What is to be done with each."""
        import ibis

        leaving = str(self.leavers.action or Action.REMOVE)
        rank = changes["rank"]
        return ibis.cases((rank == ADDED, str(Action.ADD)), (rank == UPDATED, str(Action.UPDATE)), else_=leaving)

    def fingerprint(self, changes: ibis.Table) -> ibis.Value:
        """What stands for all that is to be written of each."""
        return fingerprint_of({target: changes[column] for target, column in self._columns("new").items()})

    def _columns(self, of: str) -> dict[str, str]:
        return {target: f"{of} {place}" for place, target in enumerate(self.targets)}

    def _texts(self, of: str, values: ibis.Value) -> dict[str, ibis.Value]:
        return {column: text_for(values, target) for target, column in self._columns(of).items()}


def _differs(new: ibis.Value, old: ibis.Value) -> ibis.Value:
    return new.notnull() & (old.isnull() | (old != new))


def fingerprint_of(values: Mapping[str, ibis.Value]) -> ibis.Value:
    """What stands for all that is to be written of a member."""
    import ibis

    text = ibis.literal("")
    for target, value in values.items():
        text = text + f"{target}=" + value.fill_null("") + "\x1f"
    return text


def write_sorted(
    reader: DuckDbReader, changes: ibis.Table, path: Path, rows: Callable[[ibis.Table], ibis.Table]
) -> str:
    """Write what `rows` makes of changes, in the order in which they are delivered (`rank`, `key`); returns the digest
    of the file.

    Raises StoreError when the disk is full; then there is no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".writing")
    write_rows(reader, rows(changes.order_by("rank", "key")), unfinished)
    with unfinished.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    keep(unfinished, path)
    return digest


def write_rows(reader: DuckDbReader, rows: ibis.Table, path: Path) -> None:
    """Write rows to a Parquet file. Raises StoreError when it cannot be written."""
    import duckdb

    from hub.lake.duckdb_reader import failed

    try:
        reader.backend.to_parquet(rows, path, ROW_GROUP_SIZE=ROWS_IN_GROUP, COMPRESSION="zstd", COMPRESSION_LEVEL=1)
    except duckdb.OutOfMemoryException as error:
        raise failed(error) from error
    except duckdb.Error as error:
        raise unwritable(path, error) from error


def keep(unfinished: Path, path: Path) -> None:
    """Put a file that is whole, and on the disk, into its place."""
    with disk(path), unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


class disk:
    """Turns a full or failing disk into an error for people."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise unwritable(self._path, error) from error


def unwritable(path: Path, error: Exception) -> StoreError:
    """What a full or failing disk is told as."""
    return StoreError(
        f"{path} cannot be written: {str(error).splitlines()[0]}.",
        hint="Make room on the disk and run the sync again: it goes on where it stopped.",
    )
