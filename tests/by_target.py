"""Columns of values by target (`hub.cohorts.mapped.by_target`), from and to plain dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from hub.cohorts.mapped import field_names, target_of


def column(rows: Sequence[Mapping[str, str | None]]) -> pa.Array:
    """A column that has these typed texts, by target."""
    targets = sorted({target for row in rows for target in row})
    if not targets:
        return pa.nulls(len(rows), pa.string())
    texts = [pa.array([row.get(target) for row in rows], pa.string()) for target in targets]
    return pa.StructArray.from_arrays(texts, field_names(targets))


def texts(value: Mapping[str, str | None] | None) -> dict[str, str]:
    """The typed texts of one row, by target."""
    return {target_of(field): text for field, text in (value or {}).items() if text is not None}
