"""The members of a cohort as CSV and Parquet: streamed, so that a cohort of any size leaves memory alone.

Columns: `person`, `distinct_id`, `user_id`, `email`, and the properties that are asked for under their own names (one
that is called like a column has `user.` in front). In CSV every value is text: numbers and yes/no as JSON has them,
lists and objects as JSON, nothing for what is not set. In Parquet a property whose values are all numbers, or all
yes/no, is a column of that type; any other one has the texts of CSV.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import mkstemp
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from hub.errors import HubError, InputError, StoreError

if TYPE_CHECKING:
    from hub.cohorts.question import Question
    from hub.workspace import Workspace

COLUMNS = ("person", "distinct_id", "user_id", "email")
"""The columns that every member has."""

_TYPED = {"n": pa.float64(), "b": pa.bool_()}
_ROWS = 20_000


class Format(StrEnum):
    """What a file of members can be."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Exported:
    """How many members were written, and where (`-`: standard output)."""

    cohort: str
    file: str
    format: str
    members: int

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort export --json`."""
        return {"cohort": self.cohort, "file": self.file, "format": self.format, "members": self.members}


class OutputClosed(HubError):
    """Nobody reads what is written any more."""


def headings(properties: Sequence[str]) -> list[str]:
    """The names of the columns. Raises InputError for a property that is asked for twice."""
    if len(set(properties)) < len(properties):
        raise InputError("A property is asked for twice.", hint="Name each property once.")
    return [*COLUMNS, *(f"user.{name}" if name in COLUMNS else name for name in properties)]


def export(
    workspace: Workspace, question: Question, stream: IO[bytes], kind: Format, properties: Sequence[str] = ()
) -> int:
    """Write the people of a question to a stream of bytes; returns how many.

    Raises InputError (properties), StoreError when the lake cannot be read or the disk is full, OutputClosed.
    """
    from hub.cohorts.members import members

    names = headings(properties)
    with workspace.reading() as reader, _told():
        found = members(reader, workspace.project, question, properties=properties)
        wanted = found.select(*COLUMNS, *(f"property {place}" for place in range(len(properties))))
        batches = reader.batches(wanted, size=_ROWS)
        if kind is Format.CSV:
            return _as_csv(batches, names, stream)
        return _as_parquet(batches, names, stream, reader.scratch / "members.parquet")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A stream whose bytes take the place of a file when all are written, and leave it as it was otherwise.

    What is no regular file, a pipe or a device, is written as it is. Raises StoreError when it cannot be written.
    """
    if path.exists() and not path.is_file():
        with _written(path), path.open("wb") as stream:
            yield stream
        return
    with _written(path):
        handle, unfinished = mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.")
    try:
        with _written(path), os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        with _written(path):
            Path(unfinished).replace(path)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _as_csv(batches: Iterator[pa.RecordBatch], names: list[str], stream: IO[bytes]) -> int:
    schema = pa.schema([(name, pa.string()) for name in names])
    written = 0
    with pa.csv.CSVWriter(stream, schema) as writer:
        for batch in batches:
            columns = [batch[name] for name in COLUMNS]
            columns += [_texts(column) for column in batch.columns[len(COLUMNS) :]]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            written += batch.num_rows
    stream.flush()
    return written


def _as_parquet(batches: Iterator[pa.RecordBatch], names: list[str], stream: IO[bytes], kept: Path) -> int:
    """The types of the properties are known when all members are: they are kept on the disk meanwhile."""
    stored = pa.schema([(name, pa.string()) for name in names])
    kinds: list[set[str]] = [set() for _ in names[len(COLUMNS) :]]
    written = 0
    with pq.ParquetWriter(kept, stored, compression="zstd", compression_level=1) as writer:
        for batch in batches:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=stored))
            for seen, column in zip(kinds, batch.columns[len(COLUMNS) :], strict=True):
                seen.update(pc.unique(pc.utf8_slice_codeunits(column.drop_null(), 0, 1)).to_pylist())
            written += batch.num_rows
    types = [_TYPED.get(next(iter(seen)), pa.string()) if len(seen) == 1 else pa.string() for seen in kinds]
    schema = pa.schema(list(zip(names, [pa.string()] * len(COLUMNS) + types, strict=True)))
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer, pq.ParquetFile(kept) as file:
        for batch in file.iter_batches(batch_size=_ROWS):
            columns = [*batch.columns[: len(COLUMNS)]]
            columns += [
                _texts(column) if kind == pa.string() else pc.utf8_slice_codeunits(column, 2).cast(kind)
                for column, kind in zip(batch.columns[len(COLUMNS) :], types, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    stream.flush()
    return written


def _texts(typed: pa.Array) -> pa.Array:
    """Typed texts without their types: whole numbers without a fraction."""
    whole = pc.replace_substring_regex(typed, r"^n:(-?\d+)\.0$", r"n:\1")
    return pc.utf8_slice_codeunits(whole, 2)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What becomes of a stream that takes no more, as an error for people."""
    try:
        yield
    except BrokenPipeError as error:
        raise OutputClosed(
            "Nobody reads the output any more: the members are not all written.", hint="Read it to its end."
        ) from error
    except OSError as error:
        if error.errno != errno.ENOSPC and "No space left" not in str(error):
            raise
        raise StoreError(
            "The members cannot be written: the disk is full.", hint="Make room and run the command again."
        ) from error


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise StoreError(
            f"{path} cannot be written: {'the disk is full' if full else error.strerror or error}.",
            hint="Make room and run the command again." if full else "Name another file.",
        ) from error
