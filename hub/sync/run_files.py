"""Whether a run's files can be gone on with: they are there, and in the form that this version of the hub writes."""

from __future__ import annotations

from pathlib import Path

from hub.errors import HubError

_ANEW = "The next run begins anew and sends what is missing."


def need(file: Path) -> None:
    """Raise HubError when a run cannot be gone on with, because of this file of it."""
    if problem := wrong_with(file):
        raise problem


def wrong_with(file: Path) -> HubError | None:
    """What keeps a run from being gone on with: its file was deleted, is damaged, or of an earlier version."""
    import pyarrow as pa

    if not file.exists():
        return HubError(f"The run's file {file} is gone.", hint=_ANEW)
    try:
        if is_outdated(file):
            return HubError(f"The run's file {file} was written by an earlier version of the hub.", hint=_ANEW)
    except pa.ArrowInvalid:
        return HubError(f"The run's file {file} is damaged.", hint=_ANEW)
    return None


def is_outdated(file: Path) -> bool:
    """Whether mapped values are maps in a plan, as they were once. Raises pyarrow's ArrowInvalid when it is damaged.

    To take a map for a column a target would be to send nobody any value.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    return any(pa.types.is_map(column.type) for column in pq.read_schema(file))
