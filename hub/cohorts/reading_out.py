"""The members of a cohort one by one, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hub.cohorts.mapped import decode_full

if TYPE_CHECKING:
    import pyarrow as pa

    from hub.cohorts.question import Question
    from hub.workspace import Workspace


def read_out(workspace: Workspace, question: Question, properties: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The people of a question: `person`, `distinct_id`, `user_id`, `email`, and, if any are asked for, `properties`
    that are set. Raises StoreError."""
    from hub.cohorts.members import members

    with workspace.reading() as reader:
        found = members(reader, workspace.project, question, properties=properties)
        for batch in reader.batches(found.drop("has_profile")):
            yield from told(batch, properties) if properties else batch.to_pylist()


def told(batch: pa.RecordBatch, properties: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a batch, the columns `property 0` and so on read as `properties`."""
    columns = [f"property {place}" for place in range(len(properties))]
    plain = batch.drop_columns(columns).to_pylist()
    for row, *texts in zip(plain, *(batch[column].to_pylist() for column in columns), strict=True):
        values = zip(properties, texts, strict=True)
        yield {**row, "properties": {name: decode_full(text) for name, text in values if text is not None}}
