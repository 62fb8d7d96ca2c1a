"""A real standalone cluster of Spark out of the pyspark wheel: a master and two workers on this machine's loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from checks.serving import free_port

_START = 120.0  # seconds that Java may take to begin, on a machine that is busy
_DEPLOY = "org.apache.spark.deploy"


@dataclass
class StandaloneCluster:
    """A master and its workers, each a process of its own that writes to `folder`."""

    folder: Path
    port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address that HUB_ENGINE takes, with what fits two small workers."""
        options = "spark.executor.memory=640m&spark.sql.shuffle.partitions=2&spark.default.parallelism=2"
        return f"spark://127.0.0.1:{self.port}?{options}"

    def start_master(self) -> None:
        """Start the master, and wait until it listens."""
        self._start("master", "master.Master", "--host", "127.0.0.1", "--port", str(self.port))
        deadline = time.monotonic() + _START
        while not _listens(self.port):
            if self.processes["master"].poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The master did not start: see {self.folder / 'master.log'}.")
            time.sleep(0.1)

    def start_worker(self, name: str) -> None:
        """Start a worker of one core. It registers by itself."""
        options = ("--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--work-dir", str(self.folder / name))
        self._start(name, "worker.Worker", *options, f"spark://127.0.0.1:{self.port}")

    def kill(self, name: str) -> None:
        """End a process of the cluster, and what it has started, at once."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _start(self, name: str, what: str, *arguments: str) -> None:
        import pyspark

        home = Path(pyspark.__file__).parent
        command = [str(home / "bin" / "spark-class"), f"{_DEPLOY}.{what}", "--webui-port", "0", *arguments]
        environment = {
            **os.environ,
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_LOCAL_DIRS": str(self.folder),
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )


@contextmanager
def standing(folder: Path) -> Iterator[StandaloneCluster]:
    """A cluster whose master listens; all of it is killed at the end."""
    cluster = StandaloneCluster(folder, free_port())
    try:
        cluster.start_master()
        for name in ("worker 1", "worker 2"):
            cluster.start_worker(name)
        yield cluster
    finally:
        for name in [*cluster.processes]:
            cluster.kill(name)


def _listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False
