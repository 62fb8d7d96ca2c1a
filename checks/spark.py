"""`python -m checks.spark`: a real cluster of Spark beside DuckDB, over the same files; they must name the same people.

Starts a master and two workers out of the pyspark wheel, runs the tests of cohorts with both engines (sentences of each
clause and operator, the questions of docs/cohorts.md, the templates, random definitions with a fixed seed), asks the
commands themselves with HUB_ENGINE, runs a sync, kills workers and the master, and leaves nothing running.

`python -m checks.spark --table` prints the table of docs/engines.md and starts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from checks.spark_cluster import StandaloneCluster, standing
from checks.spark_suite import Compared

HUB = str(Path(sys.executable).with_name("hub"))
TESTS = (
    "test_clauses.py",
    "test_operators.py",
    "test_event_clauses.py",
    "test_references.py",
    "test_ten_questions.py",
    "test_members.py",
    "text/test_questions.py",
    "test_against_brute_force.py",
)
AS_OF = "2026-11-20T12:00:00Z"


def main() -> None:
    """Compare, drill, and print what was compared; exit with 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true", help="print the table of docs/engines.md, and nothing else")
    parser.add_argument("--examples", type=int, default=25, help="random definitions in each of three worlds")
    parser.add_argument("--minutes", type=float, default=15, help="how long the tests may take")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="files below tests/cohorts; none: the rest alone")
    asked = parser.parse_args()
    if asked.table:
        from hub.cohorts.support import table

        print(table())
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the cluster is torn down then, too
    began = time.monotonic()
    with TemporaryDirectory(prefix="checks-spark-") as folder, standing(Path(folder)) as cluster:
        print(f"A master and two workers at 127.0.0.1:{cluster.port}", flush=True)
        sound = not asked.tests or _suite(cluster, asked.tests, asked.examples, asked.minutes)
        sound &= _spellings(cluster)
        sound &= _commands(cluster, Path(folder) / "home")
        sound &= _drills(cluster)
        sound &= _nothing_left(cluster)
    print(f"{'All agree' if sound else 'NOT ALL AGREE'} after {time.monotonic() - began:.0f} s.")
    sys.exit(0 if sound else 1)


def _suite(cluster: StandaloneCluster, tests: list[str], examples: int, minutes: float) -> bool:
    """The tests of cohorts on both engines."""
    import pytest

    os.environ["COHORT_EXAMPLES"] = str(examples)
    here = Path(__file__).parent.parent / "tests" / "cohorts"
    with Compared(cluster.url, seconds=60 * minutes) as compared:
        options = [
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "--hypothesis-seed=4",
            f"--rootdir={here.parents[1]}",
        ]
        code = pytest.main([*options, *(str(here / test) for test in tests)], plugins=[compared])
    print(
        f"{compared.compared} cohorts compared on both engines, {compared.people} people in them; "
        f"{len(compared.differing)} answered differently.",
        flush=True,
    )
    return code == 0 and not compared.late and compared.compared > 0


def _spellings(cluster: StandaloneCluster) -> bool:
    """Small letters of every letter, and the texts of numbers, as both engines write them."""
    import ibis
    import pyarrow as pa

    letters = [chr(code) for code in range(1, 0x11_0000) if not 0xD800 <= code < 0xE000]
    powers = [m * 10.0**e for m in (1, 1.5, 9.99, 1.2345678, -3) for e in range(-12, 25)]
    tables = {
        "lower-case letters": (pa.table({"x": [*letters, "ΟΔΟΣ", "İZMİR", "STRASSE ẞ"]}), lambda x: x.lower()),
        "texts of numbers": (pa.table({"x": [*powers, 0.0, 0.1 + 0.2, 1 / 3, 2.0**53]}), lambda x: x.cast("string")),
    }
    found: dict[str, dict[str, list[Any]]] = {}
    for engine in ("duckdb", cluster.url):
        with _lake(engine) as reader:
            for name, (rows, spelled) in tables.items():
                expression = reader.rows(rows).select(x=ibis._.x, y=spelled(ibis._.x))
                pairs = {row["x"]: row["y"] for each in reader.batches(expression) for row in each.to_pylist()}
                found.setdefault(name, {})[engine] = [pairs[x] for x in rows["x"].to_pylist()]
    sound = True
    for name, answers in found.items():
        both = list(zip(tables[name][0]["x"].to_pylist(), *answers.values(), strict=True))
        # letters that are newer than Python's Unicode are known to one engine and not to the other
        different = [each for each in both if each[1] != each[2] and not _is_new_letter(each[0])]
        print(f"{name}: {len(both)} compared, {len(different)} different {different[:8] or ''}", flush=True)
        sound &= not different
    return sound


def _is_new_letter(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1 and unicodedata.category(value) == "Cn"


def _commands(cluster: StandaloneCluster, home: Path) -> bool:
    """The commands of the hub with either engine, and a sync that Spark evaluates and DuckDB finds unchanged."""
    from hub.app import Hub
    from hub.connectors.plugins import load_plugins
    from hub.testing.sandbox import running
    from tests.cohorts.text.test_questions import Shop
    from tests.cohorts.text.test_there_and_back import DESIGN

    Shop(home)
    _hub(home, "duckdb", "cohort", "add", "design", "--where", DESIGN)
    _hub(home, "duckdb", "cohort", "add", "everybody", "--where", 'did "Sign Up"')
    sound = True
    for command in (
        ("cohort", "count", "design", "--json", "--as-of", AS_OF),
        ("cohort", "members", "everybody", "--json", "--as-of", AS_OF, "--property", "address", "--property", "plan"),
        ("cohort", "export", "everybody", "-", "--as-of", AS_OF, "--property", "born"),
        ("mtu", "--month", "2026-11", "--json", "--by", "source"),
    ):
        began = time.monotonic()
        ours, theirs = (_answer(_hub(home, engine, *command)) for engine in ("duckdb", cluster.url))
        print(f"hub {' '.join(command)}: {'alike' if ours == theirs else f'DIFFERENT: {ours} {theirs}'} "
              f"({time.monotonic() - began:.0f} s)", flush=True)  # fmt: skip
        sound &= ours == theirs
    with running(load_plugins().sandbox("mailchimp")(home / "sandbox" / "mailchimp")) as partner:
        hub = Hub.open(home)
        asyncio.run(hub.connections.add("mailchimp", "news", partner.settings))
        hub.syncs.start("everybody", "news", every=None, audience="Spark", name="spark")
        runs = [json.loads(_hub(home, engine, "sync", "run", "spark", "--json")) for engine in (cluster.url, "duckdb")]
    changed = sum(runs[1][key] for key in ("added", "removed", "updated"))
    print(f"hub sync run: {runs[0]['qualified']} evaluated by Spark, {changed} changed for DuckDB", flush=True)
    return sound and runs[0]["qualified"] == runs[1]["qualified"] > 0 and changed == 0


def _drills(cluster: StandaloneCluster) -> bool:
    """Workers that die in the middle of a question, and a master that is gone: a sentence, and soon."""
    import ibis
    import pyarrow as pa

    def without_workers() -> None:
        with _lake(cluster.url) as reader:
            numbers = [reader.rows(pa.table({name: range(5_000)})) for name in ("a", "b", "c")]
            all_of_them = numbers[0].cross_join(numbers[1]).cross_join(numbers[2])
            kill = threading.Timer(3, lambda: [cluster.kill(name) for name in ("worker 1", "worker 2")])
            kill.start()
            reader.value((ibis._.a * ibis._.b % (ibis._.c + 1)).sum().resolve(all_of_them))

    def without_master() -> None:
        cluster.kill("master")
        with _lake(cluster.url) as reader:
            reader.value(reader.rows(pa.table({"a": [1]})).count())

    told = {"the workers killed": without_workers, "the master killed": without_master}
    sound = [_fails_in_a_sentence(name, drill) for name, drill in told.items()]  # both, whatever the first one does
    return all(sound)


def _fails_in_a_sentence(name: str, drill: Callable[[], None]) -> bool:
    from hub.errors import StoreError

    began = time.monotonic()
    try:
        drill()
    except StoreError as error:
        print(f"{name}: {error} {error.hint} ({time.monotonic() - began:.0f} s)", flush=True)
        return "Exception" not in str(error)
    print(f"{name}: nothing was said")
    return False


def _nothing_left(cluster: StandaloneCluster) -> bool:
    """Whether no Java of an application is left: all that this process has started, but for the cluster."""
    from checks.serving import children

    left = [pid for pid in children(os.getpid()) if pid not in {each.pid for each in cluster.processes.values()}]
    print(f"{len(left)} processes left")
    return not left


def _lake(engine: str) -> Any:
    """An empty lake, open with an engine."""
    from contextlib import contextmanager

    from hub.lake.lake import Lake
    from hub.lake.reading import asking

    @contextmanager
    def opened() -> Any:
        with TemporaryDirectory() as folder:
            lake = Lake(Path(folder))
            with asking(lake, engine=engine, memory_limit="1GiB", threads=1) as reader:
                yield reader

    return opened()


def _hub(home: Path, engine: str, *command: str) -> str:
    environment = {**os.environ, "HUB_HOME": str(home), "HUB_ENGINE": engine}
    done = subprocess.run([HUB, *command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 4):
        raise SystemExit(f"hub {' '.join(command)} failed: {done.stderr}")
    return done.stdout


def _answer(printed: str) -> list[Any]:
    """What a command printed, in an order of its own, without the time that it took."""
    lines = [line for line in printed.splitlines() if line.strip()]
    try:
        rows = [json.loads(line) for line in lines]
    except ValueError:
        return sorted(lines)
    return sorted(
        (json.dumps({k: v for k, v in row.items() if k != "seconds"}, sort_keys=True) for row in rows), key=str
    )


if __name__ == "__main__":
    main()
