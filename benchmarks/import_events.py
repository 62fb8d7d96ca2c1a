"""Events from a file into the lake, against a floor by hand: DuckDB's JSON reader, told the schema, to Parquet.

The floor validates nothing, resumes nothing and knows the eight properties by name; it writes the same columns and
typed maps, by month. Contenders take turns in processes of their own, and the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

HUB, FLOOR = "hub", "floor (DuckDB)"
FLOOR_SQL = """
copy (
  select 1 as project_id, strftime(moment, '%Y-%m') as month, event, p.distinct_id, null::varchar as device_id,
    null::varchar as user_id, moment as time, p."$insert_id" as insert_id, null::varchar as source,
    now() as received_at,
    map(['plan', 'country', 'campaign', 'browser', 'version'],
        [p.plan, p.country, p.campaign, p.browser, p.version]) as strings,
    map(['amount', 'units'], [p.amount, p.units]) as numbers,
    map(['first'], [p."first"]) as booleans,
    map([]::varchar[], []::timestamp[]) as times, map([]::varchar[], []::varchar[][]) as lists, null::varchar as nested
  from (
    select event, properties as p, make_timestamp(properties."time" * 1000000) as moment
    from read_json('{file}', format = 'newline_delimited', columns = {{
      event: 'VARCHAR', properties: 'STRUCT(distinct_id VARCHAR, "time" BIGINT, "$insert_id" VARCHAR, plan VARCHAR,
      country VARCHAR, amount DOUBLE, units DOUBLE, "first" BOOLEAN, campaign VARCHAR, browser VARCHAR,
      version VARCHAR)' }})
  )
) to '{folder}' (format parquet, compression zstd, partition_by (project_id, month))
"""


@dataclass(frozen=True)
class Row:
    """The best round of one contender. Seconds of wall and of CPU, helpers included; peak memory in MiB.

    `memory` is an upper bound: the peak of the process and, for each helper process, the peak of the largest one.
    """

    name: str
    events: int
    wall: float
    cpu: float
    memory: float

    @property
    def rate(self) -> float:
        """Events a second of wall time."""
        return self.events / self.wall


def run(quick: bool = False, rounds: int = 5) -> list[Row]:
    """Measure; `quick` takes a tenth of the events and two rounds."""
    events, rounds = (200_000, 2) if quick else (2_000_000, rounds)
    best: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        with file.open("wb") as out:
            out.writelines(lines(events))
        for _ in range(rounds):
            for name in (HUB, FLOOR):
                row = _measured(name, events, file, Path(folder) / "work")
                best[name] = min(best.get(name, row), row, key=lambda found: found.wall)
    return [*best.values()]


def lines(count: int) -> Iterator[bytes]:
    """Seeded events with eight properties each, over three months, about 255 bytes a line."""
    chance = random.Random(2_000_000)
    for number in range(count):
        properties = {
            "distinct_id": f"user-{chance.randrange(200_000)}",
            "time": 1_700_000_000 + number * 7_776_000 // count + chance.randrange(86_400),
            "$insert_id": f"{chance.getrandbits(128):032x}",
            "plan": chance.choice(["free", "pro"]),
            "country": chance.choice(["NO", "SE", "DE", "FR", "US"]),
            "amount": round(chance.random() * 100, 2),
            "units": chance.randrange(9),
            "first": chance.random() < 0.5,
            "campaign": f"spring-{chance.randrange(50)}",
            "browser": chance.choice(["Firefox", "Chrome"]),
            "version": f"1.{chance.randrange(40)}",
        }
        event = chance.choice(["Sign Up", "Purchase", "App Open", "Search", "Page View"])
        yield orjson.dumps({"event": event, "properties": properties}) + b"\n"


def _measured(name: str, events: int, file: Path, work: Path) -> Row:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    command = [sys.executable, "-m", "benchmarks.import_events", "--contender", name, str(file), str(work)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Row(name, events, **json.loads(done.stdout))


def _contend(name: str, file: str, folder: Path) -> None:
    work = _import(file, folder) if name == HUB else _floor(file, folder)
    before, began = _cpu(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - began, _cpu() - before
    helpers = len(os.sched_getaffinity(0)) if name == HUB else 0
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"wall": wall, "cpu": cpu, "memory": (peaks[0] + helpers * peaks[1]) / 1024}))


def _cpu() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def _import(file: str, folder: Path) -> Callable[[], object]:
    from hub.app import Hub
    from hub.projects import initialise
    from hub.settings import load

    initialise(load(folder))
    events = Hub.open(folder).events
    return lambda: events.import_file(file)


def _floor(file: str, folder: Path) -> Callable[[], object]:
    import duckdb

    connection = duckdb.connect(config={"memory_limit": "1GiB"})
    return lambda: connection.execute(FLOOR_SQL.format(file=file, folder=folder / "parquet"))


def main(arguments: list[str] | None = None) -> None:
    """Print the table: `python -m benchmarks.import_events [--quick]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contender", nargs=3, metavar=("NAME", "FILE", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.contender:
        name, file, work = chosen.contender
        _contend(name, file, Path(work))
        return
    rows = run(chosen.quick, chosen.rounds)
    floor = next(row for row in rows if row.name == FLOOR)
    print(f"{'import of events':<18}{'events/s':>10}{'wall s':>9}{'CPU s':>8}{'MiB':>7}{'ratio':>8}")
    for row in rows:
        ratio = row.wall / floor.wall
        print(f"{row.name:<18}{row.rate:>10,.0f}{row.wall:>9.2f}{row.cpu:>8.1f}{row.memory:>7.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
