"""The cluster of Spark: found, joined, watched while it works, and left again."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hub.errors import StoreError, UsageError
from hub.lake.spark.failing import Watch, address, told

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from hub.lake.engines import Engine

_JAVA = 17
_REACH = 5.0  # seconds that a master may take to answer
_WORKERS = 60.0  # seconds until the first worker has to be at work
_GONE = 20.0  # seconds without any worker until a question is given up
_LOOK = 2.0  # seconds between two looks

_PROPERTIES = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.variant.allowDuplicateKeys": "true",
}
"""What questions rely on: options do not change it."""

_QUIET = "rootLogger.level = off\n"


class Cluster:
    """One application on a cluster, which every reader of this process shares."""

    def __init__(self, engine: Engine, context: Any) -> None:
        self.engine = engine
        self._context = context

    def session(self) -> SparkSession:
        """A session of its own: nobody else sees its views."""
        from pyspark.sql import SparkSession

        return SparkSession(self._context).newSession()

    def cancel(self, group: str) -> None:
        """End what a group of jobs does."""
        with suppress(Exception):  # there may be nothing to end any more
            self._context.cancelJobGroup(group)

    def workers(self) -> int:
        """How many executors are at work."""
        return int(self._context._jsc.sc().getExecutorMemoryStatus().size()) - 1  # one is this process

    @contextmanager
    def watched(self, group: str) -> Iterator[Watch]:
        """Jobs of this thread belong to `group`; they are ended when no worker is left: Spark would wait for ever."""
        self._context.setJobGroup(group, "cohort hub", interruptOnCancel=True)
        watch, done = Watch(), threading.Event()
        thread = threading.Thread(target=self._look, args=(group, watch, done), daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            done.set()
            thread.join()

    def _look(self, group: str, watch: Watch, done: threading.Event) -> None:
        alone = 0.0
        while not done.wait(_LOOK):
            with suppress(Exception):  # the question fails by itself when the application has ended
                alone = 0.0 if self.workers() else alone + _LOOK
                if alone >= _GONE:
                    watch.lost = True
                    self.cancel(group)


class _Shared:
    """The application of this process and how many use it."""

    lock = threading.Lock()
    users = 0
    cluster: Cluster | None = None
    folder: TemporaryDirectory[str] | None = None


@contextmanager
def cluster(engine: Engine, *, memory_limit: str) -> Iterator[Cluster]:
    """Join the cluster; whoever is the last one of this process leaves it, and nothing is left running.

    Raises UsageError without pyspark and Java, StoreError when the cluster is away or has nobody to work.
    """
    with _Shared.lock:
        if _Shared.cluster is None:
            _Shared.cluster = _joined(engine, memory_limit)
        _Shared.users += 1
        found = _Shared.cluster
    try:
        yield found
    finally:
        with _Shared.lock:
            _Shared.users -= 1
            if not _Shared.users:
                _leave()


def check_installed() -> None:
    """Raise UsageError unless there are a pyspark and a Java that serve."""
    if importlib.util.find_spec("pyspark") is None:
        raise UsageError(
            "HUB_ENGINE names a cluster of Spark, and pyspark is not installed.",
            hint="Install it with: pip install 'cohort-hub[spark]'",
        )
    home = environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        where = f"in JAVA_HOME ({home})" if home else "on this machine"
        raise UsageError(
            f"HUB_ENGINE names a cluster of Spark, and there is no Java {where}.",
            hint=f"Install Java {_JAVA}: on Debian, apt-get install openjdk-17-jre-headless",
        )
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    if found and int(found[1]) < _JAVA:
        raise UsageError(
            f"HUB_ENGINE names a cluster of Spark, which needs Java {_JAVA} or newer; {java} is Java {found[1]}.",
            hint=f"Install Java {_JAVA} (on Debian: openjdk-17-jre-headless), or name its folder with JAVA_HOME.",
        )


def reach(engine: Engine) -> None:
    """Raise StoreError unless a master of the cluster can be reached: Spark would try for a minute."""
    problem = ""
    for place in engine.hosts:
        try:
            socket.create_connection(place, _REACH).close()
            return
        except OSError as error:
            problem = "it does not answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
    raise StoreError(
        f"The Spark cluster at {address(engine)} is away: {problem}.",
        hint="Start its master, or set HUB_ENGINE to another address (or to duckdb).",
    )


def _joined(engine: Engine, memory_limit: str) -> Cluster:
    check_installed()
    reach(engine)
    _Shared.folder = TemporaryDirectory(prefix="cohort-hub-spark-")
    try:
        with told(engine, Watch()), _own_interrupts():
            joined = Cluster(engine, _context(engine, memory_limit, Path(_Shared.folder.name)))
            _wait_for_workers(joined)
        return joined
    except BaseException:
        _leave()
        raise


def _context(engine: Engine, memory_limit: str, folder: Path) -> Any:
    """An application of Spark, whose Java says nothing on the terminal and dies with this process."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    # nothing here goes through pandas
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    quiet = folder / "log4j2.properties"
    quiet.write_text(_QUIET)
    properties = {
        "spark.driver.memory": _java_amount(memory_limit),
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={quiet}",
        "spark.local.dir": str(folder),
        **engine.options,
        **_PROPERTIES,
        "spark.master": engine.master,
        "spark.app.name": "cohort hub",
    }
    conf = SparkConf(loadDefaults=False).setAll([*properties.items()])
    with (folder / "java.log").open("wb") as log:
        gateway = launch_gateway(conf, popen_kwargs={"stdout": log, "stderr": log})
    return SparkContext(conf=conf, gateway=gateway)


def _java_amount(memory_limit: str) -> str:
    """`2GiB` as Java writes it. Raises UsageError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt])i?b?\s*", memory_limit.lower())
    if found is None:
        raise UsageError(
            f"The setting memory_limit is wrong: {memory_limit!r} is no amount of memory.",
            hint="Write it as 2GiB, in HUB_MEMORY_LIMIT or in hub.toml.",
        )
    kilobytes = float(found[1]) * 1024 ** "kmgt".index(found[2])
    return f"{max(int(kilobytes / 1024), 512)}m"  # less than that no driver starts with


def _wait_for_workers(joined: Cluster) -> None:
    end = time.monotonic() + _WORKERS
    while not joined.workers():
        if time.monotonic() > end:
            raise StoreError(
                f"The Spark cluster at {address(joined.engine)} has no worker that is free.",
                hint="Start workers, wait until others are done, or ask for less (spark.executor.memory, "
                "spark.cores.max: docs/engines.md).",
            )
        time.sleep(0.1)


def _leave() -> None:
    """End the application and its Java."""
    _Shared.cluster = None
    if importlib.util.find_spec("pyspark"):
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        context, gateway = SparkContext._active_spark_context, SparkContext._gateway
        with suppress(Exception):  # what has died already cannot be stopped
            if context is not None:
                context.stop()
        SparkSession._instantiatedSession = None
        if gateway is not None:
            with suppress(Exception):
                gateway.shutdown()
            SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
            _end(gateway.proc)
    if _Shared.folder is not None:
        with suppress(OSError):
            _Shared.folder.cleanup()
        _Shared.folder = None


def _end(java: subprocess.Popen[bytes] | None) -> None:
    if java is None:
        return
    if java.stdin:
        java.stdin.close()  # it ends by itself when this is closed
    try:
        java.wait(10)
    except subprocess.TimeoutExpired:
        java.kill()
        java.wait()


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Spark takes Ctrl-C over when it starts; it is the hub's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
