"""Ibis's backend for Spark, spelling the hub's expressions as `hub.lake.spark.spelling` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops
from ibis.backends.pyspark import Backend
from ibis.backends.pyspark.datatypes import PySparkType
from ibis.expr.schema import Schema

from hub.lake.spark.spelling import SparkSql

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType


class HubBackend(Backend):  # type: ignore[misc]
    """Ibis's own, but for the compiler."""

    compiler = SparkSql()


def connected(session: SparkSession) -> Any:
    """The backend of a session."""
    HubBackend.register_options()
    return HubBackend().connect(session)


def table_of(backend: Any, view: str, columns: StructType) -> ibis.Table:
    """A temporary view whose columns are known: Ibis would ask Spark for them."""
    schema = Schema(PySparkType.to_ibis(columns))
    table: ibis.Table = ops.DatabaseTable(name=view, schema=schema, source=backend, namespace=ops.Namespace()).to_expr()
    return table
