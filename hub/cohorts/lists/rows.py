"""Members on their way into the hub: a key and properties each, in Parquet files that nobody sees yet."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.cohorts.lists.sources import EMAIL
from hub.errors import StoreError
from hub.events.lines import MAX_TEXT, Rejected, identifier
from hub.lake.tables import PROPERTY_MAPS
from hub.lake.typed import property_columns

if TYPE_CHECKING:
    from hub.lake.lake import Lake

MAPS = tuple(name for name, _ in PROPERTY_MAPS)
ROWS = pa.schema([("key", pa.string()), *PROPERTY_MAPS])
"""A member: the key, normalised, and the typed maps of its own properties."""

_TOLD = 20
_AT_ONCE = 20_000

Member = tuple[str, Mapping[str, Any]]


@dataclass
class Tally:
    """What became of members that were brought: `accepted` ones, and `rejected` with the first reasons (place, why)."""

    accepted: int = 0
    rejected: int = 0
    rejects: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, place: int, why: Rejected) -> None:
        """Count one that does not go in. `place` is its line, or its place in the list, from 1."""
        self.rejected += 1
        if len(self.rejects) < _TOLD:
            self.rejects.append((place, why.reason))


def normalised_key(value: Any, key: str) -> str:
    """The key of a member as it is kept: without blanks around it, an e-mail address in small letters.

    Raises Rejected when it is missing, or cannot be one.
    """
    text = identifier(value.strip() if isinstance(value, str) else value, f"The key ({key})")
    if not text:
        raise Rejected(f"There is no {key}.")
    if "\0" in text:
        raise Rejected("A text holds a NUL character.")
    return text.lower() if key == EMAIL else text


def members_of(given: Iterable[Any], key: str, tally: Tally) -> Iterator[Member]:
    """Members as programs bring them: mappings with the key under its property, and other properties beside it."""
    for place, each in enumerate(given, 1):
        try:
            if not isinstance(each, Mapping):
                raise Rejected("The member is not an object.")
            properties = {name: value for name, value in each.items() if name != key and value is not None}
            _check_properties(properties)
            yield normalised_key(each.get(key), key), properties
        except Rejected as why:
            tally.refuse(place, why)


def staging(lake: Lake) -> Path:
    """The folder below the lake for members that do not count yet."""
    return lake.root / ".members"


def write_batches(folder: Path, batches: Iterable[pa.RecordBatch]) -> Path:
    """Write members (`ROWS`) to a new file in `folder`. Raises StoreError on a full disk; then there is no file."""
    path = folder / f"{uuid.uuid4().hex}.parquet"
    try:
        with _disk(path):
            folder.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(path, ROWS, compression="zstd", compression_level=1) as writer:
                for batch in batches:
                    writer.write_batch(batch.cast(ROWS))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def write_rows(folder: Path, members: Iterable[Member], tally: Tally) -> Path:
    """Write members to a new file in `folder`, some at a time, and count them. Raises StoreError on a full disk."""
    found = iter(members)

    def batches() -> Iterator[pa.RecordBatch]:
        while part := [*islice(found, _AT_ONCE)]:
            columns = property_columns([properties for _, properties in part])
            keys = pa.array([key for key, _ in part], pa.string())
            yield pa.RecordBatch.from_arrays([keys, *columns], schema=ROWS)
            tally.accepted += len(part)

    return write_batches(folder, batches())


def _check_properties(properties: Mapping[Any, Any]) -> None:
    for name, value in properties.items():
        if not isinstance(name, str) or not name or len(name) > MAX_TEXT or "\0" in name:
            raise Rejected("A property has a name that cannot be one.")
        if not isinstance(value, str | bool | int | float | list | dict):
            raise Rejected(f"The property {name} is neither text, number, yes or no, list nor object.")
        if isinstance(value, str) and not _is_sound(value):
            raise Rejected(f"The property {name} is no valid text.")
        if isinstance(value, int) and abs(value) > 1e308:
            raise Rejected(f"The property {name} is a number that is too large.")


def _is_sound(text: str) -> bool:
    return "\0" not in text and (text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text))


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}.", hint="Make room, and run the command again."
        ) from error
