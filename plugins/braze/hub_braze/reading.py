"""One file of Currents: its rows, one after another, as far as they can be read.

Braze writes Avro object container files (https://www.braze.com/docs/user_guide/data/distribution/braze_currents/
event_delivery_semantics/). JSON is what other tools make of them: a line is an event, an array of events, or the body
that the HTTP connector sends.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

AVRO = ".avro"
JSON = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
_TYPE = re.compile(r"event_type=([\w.]+)")


class UnfinishedError(Exception):
    """A file ends in the middle of a row: it is being written, or it was cut."""


@dataclass(frozen=True)
class Broken:
    """A row that cannot be read, and why; or the rest of a file."""

    reason: str


def is_of_currents(name: str) -> bool:
    """Whether a file's name is that of a file to read. Hidden ones are not: tools write those first."""
    return name.endswith((AVRO, *JSON)) and not name.startswith((".", "_"))


def type_of(path: str) -> str:
    """The event type that a path names (`event_type=users.messages.email.Open`); empty when it names none."""
    named = _TYPE.findall(path)
    return str(named[-1]).removesuffix(AVRO) if named else ""


def rows_of(path: Path) -> Iterator[list[Any] | Broken]:
    """The rows of a file, in order, each with its events. Raises UnfinishedError where it ends too soon, OSError."""
    with path.open("rb") as file:
        yield from _avro_rows(file) if path.name.endswith(AVRO) else _json_rows(file, packed=path.name.endswith(".gz"))


def _avro_rows(file: BinaryIO) -> Iterator[list[Any] | Broken]:
    import fastavro

    try:
        for record in fastavro.reader(file):
            yield [record]
    except EOFError as error:
        raise UnfinishedError("It ends in the middle of a block.") from error
    except OSError:
        raise
    except Exception as error:  # fastavro tells of damage by errors of many classes
        if file.read(1) == b"" and _is_cut(file):
            raise UnfinishedError("It ends before its header does.") from error
        yield Broken(f"it is no Avro file, or is damaged ({type(error).__name__}: {error})")


def _is_cut(file: BinaryIO) -> bool:
    file.seek(0)
    return b"Obj\x01".startswith(file.read(4)[:4])


def _json_rows(file: BinaryIO, *, packed: bool) -> Iterator[list[Any] | Broken]:
    lines = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if packed else file
    try:
        for number, line in enumerate(lines, 1):
            yield _row(number, line)
    except EOFError as error:
        raise UnfinishedError("It ends in the middle of its compressed data.") from error
    except gzip.BadGzipFile as error:
        yield Broken(f"it is no gzip file ({error})")


def _row(number: int, line: bytes) -> list[Any] | Broken:
    if not line.strip():
        return []
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if not line.endswith(b"\n"):
            raise UnfinishedError(f"Its last line, {number}, is not whole.") from error
        return Broken(f"line {number} is not JSON ({error})")
    if isinstance(told, list):
        return told
    if isinstance(told, dict) and isinstance(told.get("events"), list):
        return list(told["events"])
    return [told]
