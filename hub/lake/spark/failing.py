"""What Spark fails with, in sentences. No trace of Java's stack reaches anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.errors import HubError, StoreError

if TYPE_CHECKING:
    from hub.lake.engines import Engine


@dataclass
class Watch:
    """What was seen while a question ran: whether all workers were `lost`."""

    lost: bool = False


_MEMORY = "Give it more with spark.executor.memory, or to this machine's part with HUB_MEMORY_LIMIT (docs/engines.md)."
_FOLDER = "Every worker has to see the lake's folder under the same path, and may read it (docs/engines.md)."

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (r"OutOfMemoryError|OUT_OF_MEMORY|UNABLE_TO_ACQUIRE_MEMORY|maxResultSize", "ran out of memory", _MEMORY),
    (r"No space left on device", "ran out of disk", "Make room below spark.local.dir of the workers."),
    (r"FileNotFoundException|FILE_NOT_EXIST|PATH_NOT_FOUND|does not exist", "does not see a file of the lake", _FOLDER),
    (r"AccessControlException|Permission denied", "may not read the lake", _FOLDER),
    (
        r"ExecutorLostFailure|Remote RPC client disassociated|FetchFailed|Master removed our application",
        "lost the workers that were at work",
        "Ask again; if it happens again, look at the workers' logs.",
    ),
    (
        r"All masters are unresponsive|SparkContext was shut down|stopped SparkContext|InvalidClassException",
        "did not take the hub in, or has left it",
        "Look at the master's log. The cluster has to run the same version of Spark as pyspark here.",
    ),
    (r"cancelled|canceled", "was told to stop", "Ask again."),
)


def address(engine: Engine) -> str:
    """Where the cluster is, without its options."""
    return engine.master.removeprefix("spark://")


@contextmanager
def told(engine: Engine, watch: Watch) -> Iterator[None]:
    """What goes wrong on the cluster becomes a StoreError."""
    try:
        yield
    except (HubError, GeneratorExit):
        raise
    except Exception as error:
        if not _is_of_spark(error):
            raise
        raise failed(engine, watch, error) from error


def failed(engine: Engine, watch: Watch, error: Exception) -> StoreError:
    """The sentence for what Spark, or the bridge to its Java, has raised."""
    where = f"The Spark cluster at {address(engine)}"
    if watch.lost:
        return StoreError(f"{where} has lost all of its workers.", hint="Start workers, and ask again.")
    text = str(error)
    for pattern, problem, hint in _KNOWN:
        if re.search(pattern, text):
            return StoreError(f"{where} {problem}.", hint=hint)
    if _bridge_is_down(error):
        return StoreError(f"Spark's part on this machine has ended while {where[4:]} was asked.", hint=_MEMORY)
    return StoreError(
        f"{where} could not answer: {_first_sentence(text)}", hint="Ask again, or on this machine: HUB_ENGINE=duckdb."
    )


def _is_of_spark(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("pyspark", "py4j") or isinstance(
        error, (ConnectionError, EOFError)
    )


def _bridge_is_down(error: Exception) -> bool:
    return isinstance(error, (ConnectionError, EOFError)) or type(error).__name__ in (
        "Py4JNetworkError",
        "PySparkRuntimeError",
    )


def _first_sentence(text: str) -> str:
    """What a person can read of it: no names of classes, no stack."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("at ")]
    said = next((line for line in lines if "Py4J" not in line and "An error occurred while calling" not in line), "")
    said = re.sub(r"^(?::\s*)?(?:[a-z]\w*\.)+[A-Z]\w*(?:Exception|Error): ", "", said)
    return said[:300] or "it said nothing."
