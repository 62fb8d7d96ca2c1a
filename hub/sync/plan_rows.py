"""The rows of a plan: what is to be done with each member, and the file that they are written to, all or nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cohorts.mapped import EMPTIED
from hub.errors import StoreError
from hub.sync.states import Action, Leavers

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import DuckDbReader

ROWS_IN_GROUP = 50_000


def changes_of(
    going: ibis.Table, held: ibis.Table, targets: list[str], leavers: Leavers, once: Collection[str] = ()
) -> ibis.Table:
    """What is to be done: `rank, action, key, person, fingerprint, send, mapped, before`, a row a key.

    `mapped` is what is held once it is done, and `before` what an update finds there: an undo sets it back. A value of
    a target in `once` that is held already is not overwritten.
    """
    import ibis

    wanted = going.select("key", "person", "mapped")
    present = held.select("key", "certain", held_person="person", held_mapped="mapped")
    both = wanted.outer_join(present, "key")
    is_new = both.certain.isnull()
    leaves = both.person.isnull()
    new = {target: both.mapped.get(target) for target in targets}
    old = {target: both.held_mapped.get(target) for target in targets}
    for target in once:
        first = ibis.coalesce(old[target].nullif(EMPTIED), new[target])
        new[target] = leaves.ifelse(ibis.null("string"), first)
    differs = {
        target: new[target].notnull() & (old[target].isnull() | (old[target] != new[target])) for target in targets
    }
    anything = ibis.or_(*differs.values()) if differs else ibis.literal(False)
    everything = is_new | ~both.certain
    had_any = ibis.or_(*((value != EMPTIED).fill_null(False) for value in old.values())) if old else ibis.literal(False)
    goes = leaves & had_any if leavers is Leavers.CLEAR else leaves
    rank = ibis.cases((goes, 2), (leaves, 3), (everything, 0), (anything, 1), else_=3)
    sent = {target: (everything | differs[target]).ifelse(new[target], ibis.null("string")) for target in targets}
    stays = {target: ibis.coalesce(new[target], old[target]) for target in targets}
    if leavers is Leavers.CLEAR:  # what was written is told, to be emptied; nothing of it stays
        sent = {target: leaves.ifelse(old[target], sent[target]) for target in targets}
        stays = {target: leaves.ifelse(ibis.null("string"), stays[target]) for target in targets}
    return both.select(
        rank=rank,
        action=ibis.cases(
            (rank == 0, "add"), (rank == 1, "update"), (rank == 2, str(leavers.action or Action.REMOVE)), else_=""
        ),
        key=ibis.coalesce(both.key, both.key_right),
        person=ibis.coalesce(both.person, both.held_person),
        fingerprint=fingerprint_of(new),
        send=map_of(sent),
        mapped=map_of(stays),
        before=map_of({target: (rank == 1).ifelse(value, ibis.null("string")) for target, value in old.items()}),
    ).filter(lambda row: row.rank < 3)


def fingerprint_of(values: Mapping[str, ibis.Value]) -> ibis.Value:
    """What stands for all that is to be written of a member."""
    import ibis

    text = ibis.literal("")
    for target, value in values.items():
        text = text + f"{target}=" + value.fill_null("") + "\x1f"
    return text


def map_of(values: Mapping[str, ibis.Value]) -> ibis.Value:
    """A column of maps from target to text; null where there are no targets."""
    import ibis

    if not values:
        return ibis.null("map<string, string>")
    return ibis.map(ibis.array(list(values)), ibis.array(list(values.values())))


def write_sorted(reader: DuckDbReader, changes: ibis.Table, path: Path) -> str:
    """Write rows of a plan in the order in which they are delivered; returns the digest of the file.

    Raises StoreError when the disk is full; then there is no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".writing")
    ordered = changes.order_by("rank", "key").drop("rank")
    write_rows(reader, ordered, unfinished)
    with unfinished.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    keep(unfinished, path)
    return digest


def write_rows(reader: DuckDbReader, rows: ibis.Table, path: Path) -> None:
    """Write rows to a Parquet file. Raises StoreError when it cannot be written."""
    import duckdb

    try:
        reader.backend.to_parquet(rows, path, ROW_GROUP_SIZE=ROWS_IN_GROUP, COMPRESSION="zstd", COMPRESSION_LEVEL=1)
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
