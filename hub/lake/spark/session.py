"""The cluster of Spark: found, joined, watched while it works, and left again."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hub.errors import StoreError, UsageError
from hub.lake.spark.failing import Watch, address, told
from hub.lake.spark.prerequisites import check_installed, reach

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from hub.lake.engines import Engine

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

    def has_ended(self) -> bool:
        """Whether the application is over: the cluster may have ended it."""
        try:
            return bool(self._context._jsc.sc().isStopped())
        except Exception:  # noqa: BLE001 - its Java is gone, whatever it says
            return True

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

    Raises UsageError without pyspark and Java, StoreError when the cluster is away or has nobody to work, and when this
    process is at work on another one.
    """
    with _Shared.lock:
        if _Shared.cluster is not None and _Shared.cluster.has_ended():
            _leave()
        if _Shared.cluster is None:
            _Shared.cluster = _joined(engine, memory_limit)
        elif _Shared.cluster.engine != engine:
            raise StoreError(
                f"This process is at work on the Spark cluster at {address(_Shared.cluster.engine)}.",
                hint="One process works on one cluster at a time.",
            )
        _Shared.users += 1
        found = _Shared.cluster
    try:
        yield found
    finally:
        with _Shared.lock:
            _Shared.users -= 1
            if not _Shared.users:
                _leave()


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
    # Java has to know these when it starts; everybody can read its command line, and a secret may be among the others
    early = [(name, value) for name, value in properties.items() if name.startswith("spark.driver.")]
    with (folder / "java.log").open("wb") as log:
        gateway = launch_gateway(
            SparkConf(loadDefaults=False).setAll(early), popen_kwargs={"stdout": log, "stderr": log}
        )
    return SparkContext(conf=SparkConf(loadDefaults=False).setAll([*properties.items()]), gateway=gateway)


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
