"""What has to be there for Spark: pyspark, Java, and a master that answers. It is looked for before Java starts."""

from __future__ import annotations

import importlib.util
import re
import shutil
import socket
import subprocess
from os import environ
from typing import TYPE_CHECKING

from hub.errors import StoreError, UsageError
from hub.lake.spark.failing import address

if TYPE_CHECKING:
    from hub.lake.engines import Engine

_JAVA = 17
_REACH = 5.0  # seconds that a master may take to answer


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
