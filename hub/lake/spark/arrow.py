"""Rows of Spark as Arrow, a partition at a time.

`DataFrame.toArrow` fetches a result as a whole, and `toLocalIterator` turns each row into Python objects. What Spark
itself builds both of is here put together in a third way: partitions that are fetched one after the other, as Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def arrow_batches(frame: DataFrame) -> Iterator[pa.RecordBatch]:
    """The rows of a frame in order, never more than two partitions of them at a time."""
    from pyspark.serializers import NoOpSerializer
    from pyspark.sql.pandas.types import to_arrow_schema
    from pyspark.util import _local_iterator_from_socket

    schema = to_arrow_schema(frame.schema, timezone="UTC")
    java, jvm = frame._jdf, frame.sparkSession._jvm
    served = jvm.PythonRDD.toLocalIteratorAndServe(java.toArrowBatchRdd(), True)
    for message in _local_iterator_from_socket(served, NoOpSerializer()):
        yield pa.ipc.read_record_batch(message, schema)
