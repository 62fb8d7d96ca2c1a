"""Who is in an audience, by the partner's own word: asked page by page, and written to a file as it comes."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.connectors.containing import in_time
from hub.connectors.contract import Ability, Audience, Connector, Member, Value
from hub.connectors.matching import Kinds
from hub.connectors.recording import recorded_by
from hub.errors import Interrupted, StoreError
from hub.sync.members import nonsense

if TYPE_CHECKING:
    from hub.sync.attempts_writing import Attempts

LISTING = pa.schema([("key", pa.string()), ("values", pa.map_(pa.string(), pa.string()))])
"""A listing's file. `values` are typed text (`hub.cohorts.mapped`)."""


async def write_listing(
    connector: Connector,
    audience: Audience,
    targets: Sequence[str],
    path: Path,
    attempts: Attempts,
    *,
    told: Callable[[int], None],
    stop: threading.Event,
) -> int:
    """Ask for everybody in the audience, write them to `path`, and return how many rows that were.

    With Ability.READ the values of `targets` are asked for too. `told` is called after each page with the rows so far.
    Every request is recorded in `attempts`. Raises AudienceGone and the other errors of the partner, PluginError,
    Interrupted when `stop` is set, StoreError when the disk is full; then the file is of no use.
    """
    rows, kinds = 0, Kinds(connector.matching)
    reads = bool(targets) and Ability.READ in connector.abilities
    pages: Any = connector.read_members(audience, targets) if reads else connector.list_members(audience)
    with (
        attempts.begin(None, "list audience", 1, ()) as attempt,
        recorded_by(attempt),
        _writer(path) as file,
    ):
        async with aclosing(_in_time(connector, pages)) as timed:
            async for page in timed:
                if stop.is_set():
                    raise Interrupted("The verification was stopped; nothing was changed.", signal_number=2)
                rows += _write(file, kinds, _sound(connector, page))
                told(rows)
        attempt.acknowledged()
    return rows


async def _in_time(connector: Connector, pages: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The pages of a connector, each within its time-out; what is not one of our errors is the plugin's fault."""
    try:
        while (page := await in_time(connector, _next, pages)) is not None:
            yield page
    finally:
        if hasattr(pages, "aclose"):
            with suppress(RuntimeError):  # it was given up on, and is at work still
                await pages.aclose()


async def _next(pages: AsyncIterator[Any]) -> Any:
    async for page in pages:
        return page
    return None


def _sound(connector: Connector, page: Any) -> list[Member]:
    if isinstance(page, str | bytes) or not isinstance(page, Sequence):
        raise nonsense(connector, f"listed {type(page).__name__} where a page of members belongs")
    members = [Member(each) if isinstance(each, str) else each for each in page]
    for member in members:
        if not isinstance(member, Member) or not isinstance(member.key, str):
            raise nonsense(connector, f"listed {member!r} as a member")
    return members


def _write(file: pq.ParquetWriter, kinds: Kinds, members: Sequence[Member]) -> int:
    keys = pa.array([kinds.text_of(member) for member in members], pa.string())
    values = pa.array(
        [
            [(target, typed(value)) for target, value in member.values.items() if value is not None]
            for member in members
        ],
        LISTING.field("values").type,
    )
    try:
        file.write_batch(pa.RecordBatch.from_arrays([keys, values], schema=LISTING))
    except OSError as error:
        raise _unwritable(error) from error
    return len(members)


def typed(value: Value) -> str:
    """A value as typed text, as `hub.cohorts.mapped` reads it."""
    if isinstance(value, bool):
        return f"b:{str(value).lower()}"
    if isinstance(value, str):
        return f"s:{value}"
    if isinstance(value, int | float):
        return f"n:{float(value)!r}"
    return f"l:{json.dumps(value)}"


class _writer:
    """A Parquet file, closed whatever happens; a full disk is told as what it is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> pq.ParquetWriter:
        try:
            self._file = pq.ParquetWriter(self._path, LISTING, compression="zstd", compression_level=1)
        except OSError as error:
            raise _unwritable(error) from error
        return self._file

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise _unwritable(error) from error


def _unwritable(error: OSError) -> StoreError:
    return StoreError(
        f"The list of the audience cannot be written: {error.strerror or error}.",
        hint="Make room on the disk and verify again; nothing was changed.",
    )
