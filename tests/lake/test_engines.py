"""Which engine is meant, how Spark spells the hub's expressions, and what is said when it cannot work. No Java runs."""

from __future__ import annotations

import importlib.util
import socket

import ibis
import pyarrow as pa
import pytest

from hub.errors import StoreError, UsageError
from hub.lake.engines import Engine, engine_of
from hub.lake.lake import Lake
from hub.lake.reading import DuckDbReader, asking
from hub.lake.spark import prerequisites, session
from hub.lake.spark.failing import Watch, failed, told
from hub.lake.spark.spelling import _SPELLED, SparkSql

ENGINE = engine_of("spark://cluster.example:7077?spark.executor.memory=4g")


def test_duckdb_is_the_engine_unless_another_is_named(tmp_path):
    assert engine_of("") == engine_of(" duckdb ") == Engine("duckdb")
    with asking(Lake(tmp_path), engine="duckdb", memory_limit="1GiB", threads=1) as reader:
        assert isinstance(reader, DuckDbReader)
        assert reader.value(reader.rows(pa.table({"a": [1, 2]})).a.sum()) == 3


def test_a_cluster_is_its_masters_and_properties_of_spark():
    found = engine_of("spark://one:7077,[::1]:7078?spark.executor.memory=4g&spark.cores.max=8")
    assert (found.name, found.master) == ("spark", "spark://one:7077,[::1]:7078")
    assert found.hosts == [("one", 7077), ("::1", 7078)]
    assert found.options == {"spark.executor.memory": "4g", "spark.cores.max": "8"}


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("sprak://host:7077", "there is no engine 'sprak://host:7077'"),
        ("spark://host", "'spark://host' names no host with its port"),
        ("spark://:7077", "names no host with its port"),
        ("spark://host:port", "names no host with its port"),
        ("spark://host:7077?memory=4g", "'memory' is no property of Spark with its value"),
        ("spark://host:7077?spark.cores.max", "'spark.cores.max' is no property of Spark with its value"),
    ],
)
def test_what_names_no_engine_is_refused(tmp_path, setting, problem):
    with (
        pytest.raises(UsageError, match=r"The setting engine is wrong") as caught,
        asking(Lake(tmp_path), engine=setting, memory_limit="1GiB", threads=1),
    ):
        pass
    assert problem in caught.value.message


def test_a_wrong_engine_is_told_by_the_command(home, cli):
    done = cli("mtu", HUB_ENGINE="sprak://host:7077")
    assert done.returncode == 2
    assert "there is no engine 'sprak://host:7077'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_looks_at_the_engine(home, cli):
    assert "DuckDB" in cli("doctor").stdout
    done = cli("doctor", HUB_ENGINE="spark://127.0.0.1:1", JAVA_HOME="/nowhere")
    assert done.returncode == 1
    assert "HUB_ENGINE names a cluster of Spark, and" in done.stdout


def _spelled(expression: ibis.Value) -> str:
    return str(SparkSql().to_sqlglot(expression.as_table()).sql("spark")).replace("\n", " ")


def test_every_function_of_duckdb_that_expressions_call_has_a_spelling_on_spark():
    from hub.cohorts.mapped import typed_text
    from hub.cohorts.properties import JsonValue, Property
    from hub.lake import duplicates, functions
    from hub.lake.tables import PROFILES

    rows = ibis.table(ibis.Schema.from_pyarrow(PROFILES.schema), name="rows").mutate(person=ibis.literal("a"))
    found = Property(rows, "a/b")
    inner = JsonValue(found.document).at("c")
    text = _spelled(
        rows.select(
            a=functions.microseconds(rows.known_at), b=found.text, c=found.is_set, d=inner.text, e=inner.boolean,
            f=found.document, g=inner.elements, h=inner.is_set, i=duplicates._hash_of("a", "b", rows.known_at),
            j=rows.distinct_id.lower(), k=typed_text(rows, "n"),
        )
    )  # fmt: skip
    for spelled in ("unix_micros(", "try_element_at(", "map_contains_key(", "schema_of_variant(", "xxhash64("):
        assert spelled in text.lower()
    for unspelled in ("main.", *(name for name in _SPELLED if name != "hash")):
        assert f"{unspelled}(" not in text.lower()
    assert "'a/b'" in text, "a key is a key, whatever is in it"


def test_pyspark_that_is_not_installed_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pyspark is not installed") as caught:
        prerequisites.check_installed()
    assert "pip install 'cohort-hub[spark]'" in caught.value.hint


@pytest.fixture
def java(monkeypatch, tmp_path):
    """A machine with pyspark, and with a Java of a version, or with none."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.delenv("JAVA_HOME", raising=False)

    def install(version: str) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        if version:
            program = tmp_path / "java"
            program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
            program.chmod(0o755)

    return install


def test_no_java_is_told_with_what_installs_it(java):
    java("")
    with pytest.raises(UsageError, match="there is no Java on this machine") as caught:
        prerequisites.check_installed()
    assert "openjdk-17-jre-headless" in caught.value.hint


@pytest.mark.parametrize(("version", "number"), [("1.8.0_402", "8"), ("11.0.2", "11")])
def test_an_old_java_is_told_with_its_version(java, version, number):
    java(version)
    with pytest.raises(UsageError, match=f"needs Java 17 or newer; .* is Java {number}"):
        prerequisites.check_installed()


def test_a_java_that_serves_passes(java):
    java("17.0.15")
    prerequisites.check_installed()


def test_a_master_that_is_away_is_told_at_once_and_no_java_starts(tmp_path, java):
    java("21")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with (
        pytest.raises(
            StoreError, match=rf"The Spark cluster at 127.0.0.1:{port} is away: Connection refused"
        ) as caught,
        asking(Lake(tmp_path), engine=f"spark://127.0.0.1:{port}?spark.a=secret", memory_limit="1GiB", threads=0),
    ):
        pass
    assert "secret" not in caught.value.message + caught.value.hint


class Py4JJavaError(Exception):
    """As the bridge raises it."""

    __module__ = "py4j.protocol"


class Py4JNetworkError(Py4JJavaError):
    """As the bridge raises it when Java is gone."""

    __module__ = "py4j.protocol"


STACK = """An error occurred while calling o42.count.
: org.apache.spark.SparkException: {}
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:1)
\tat java.base/java.lang.Thread.run(Thread.java:840)
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Job aborted: java.lang.OutOfMemoryError: Java heap space", "ran out of memory."),
        ("Total size of results is bigger than spark.driver.maxResultSize", "ran out of memory."),
        ("java.io.IOException: No space left on device", "ran out of disk."),
        ("[PATH_NOT_FOUND] Path does not exist: file:/lake/events", "does not see a file of the lake."),
        ("ExecutorLostFailure (executor 1 exited)", "lost the workers that were at work."),
        ("All masters are unresponsive! Giving up.", "did not take the hub in, or has left it."),
        ("Job 3 cancelled part of cancelled job group", "was told to stop."),
        ("something new", "could not answer: something new"),
    ],
)
def test_what_spark_fails_with_is_a_sentence_without_a_stack(said, told):
    error = failed(ENGINE, Watch(), Py4JJavaError(STACK.format(said)))
    assert error.message == f"The Spark cluster at cluster.example:7077 {told}"
    assert error.hint


def test_workers_that_are_all_gone_and_a_java_that_ended_are_told_as_such():
    error = Py4JNetworkError("Answer from Java side is empty")
    assert failed(ENGINE, Watch(lost=True), error).message.endswith("has lost all of its workers.")
    assert "Spark's part on this machine has ended" in failed(ENGINE, Watch(), error).message


def test_only_what_comes_from_spark_is_told_so():
    with pytest.raises(StoreError, match="could not answer: one"), told(ENGINE, Watch()):
        raise Py4JJavaError("one")
    with pytest.raises(KeyError), told(ENGINE, Watch()):
        raise KeyError("ours")
    with pytest.raises(UsageError, match="mine"), told(ENGINE, Watch()):
        raise UsageError("mine")


@pytest.mark.parametrize(
    ("setting", "java_amount"), [("2GiB", "2048m"), ("1.5 GB", "1536m"), ("700M", "700m"), ("1k", "512m")]
)
def test_the_limit_of_memory_is_written_as_java_reads_it(setting, java_amount):
    assert session._java_amount(setting) == java_amount


def test_a_limit_of_memory_that_is_none_is_refused():
    with pytest.raises(UsageError, match="memory_limit is wrong"):
        session._java_amount("much")
