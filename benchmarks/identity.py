"""Who is who in many events: the links in their rows, applied to the control plane and published to the lake.

    python -m benchmarks.identity [--quick]

A tenth as many links as events, in both systems. Simplified: every event carries a device and its user, ten events a
device, three devices a user. Original: every tenth event is an `$identify`, three to a user. What belongs together is
spread over as many events as the smallest size has, so that the stream looks the same in every size. Events come in
chunks, as an import of a file commits them; each size begins with an empty hub. Growth is time an event beside the
smallest size: 1 is linear.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pyarrow as pa

from hub.clock import now
from hub.lake.lake import Lake
from hub.lake.tables import EVENT_COLUMNS
from hub.people.identity import apply_links, links_of, publish_identity
from hub.projects import find_project, initialise
from hub.settings import Settings
from hub.store.store import Store

SIZES = (1_000_000, 3_000_000, 10_000_000)
QUICK = (100_000, 300_000)
_CHUNK = 200_000
_MICROSECONDS = 1_767_225_600_000_000


@dataclass(frozen=True)
class Row:
    """One size of one system: seconds that were spent finding the links, applying them and publishing them."""

    system: str
    events: int
    linked: int
    finding: float
    applying: float
    publishing: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.finding + self.applying + self.publishing


def run(system: str, events: int, spread: int = SIZES[0]) -> Row:
    """Measure one size in an empty hub, with what belongs together within `spread` events."""
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home")
        initialise(settings, identity=system)
        store, lake = Store(settings.control_plane_url), Lake(settings.lake_root)
        project = find_project(store)
        finding, applying, linked = 0.0, 0.0, 0
        for rows in (_devices if system == "simplified" else _identified)(events, spread):
            began = perf_counter()
            links = links_of(rows, system)
            found = perf_counter()
            with store.writing() as connection:
                linked += apply_links(connection, project, links, now())
            finding, applying = finding + found - began, applying + perf_counter() - found
        began = perf_counter()
        published = publish_identity(store, lake, project.id)
        assert published >= linked
        return Row(system, events, linked, finding, applying, perf_counter() - began)


def _devices(events: int, spread: int) -> Iterator[pa.Table]:
    """Ten events a device, of which three belong to a user."""
    device = _shuffled(np.arange(events) // 10, spread)
    for start in range(0, events, _CHUNK):
        here = device[start : start + _CHUNK]
        yield _rows(start, {"device_id": _named("device-", here), "user_id": _named("user-", here // 3)}, len(here))


def _identified(events: int, spread: int) -> Iterator[pa.Table]:
    """One `$identify` in ten events, of which three belong to a user."""
    number = _shuffled(np.arange(events // 10), spread // 10)
    for start in range(0, events, _CHUNK):
        here = number[start // 10 : (start + _CHUNK) // 10]
        size = 10 * len(here)
        names = pa.array(np.where(np.arange(size) % 10 == 0, "$identify", "Open"))
        said = [[("$anon_id", f"{each:08x}-0b1c-4d2e-8f3a-5566778899aa")] for each in here.tolist()]
        strings = pa.array([said[each // 10] if each % 10 == 0 else [] for each in range(size)], _type("strings"))
        users = _named("user-", np.repeat(here // 3, 10))
        yield _rows(start, {"event": names, "distinct_id": users, "strings": strings}, size)


def _shuffled(numbers: np.ndarray, spread: int) -> np.ndarray:
    chance = np.random.default_rng(7)
    return np.concatenate([chance.permutation(numbers[at : at + spread]) for at in range(0, len(numbers), spread)])


def _named(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pa.array(np.char.add(prefix, numbers.astype(str)))


def _rows(start: int, columns: dict[str, pa.Array], size: int) -> pa.Table:
    time = pa.array(_MICROSECONDS + np.arange(start, start + size) * 1_000_000).cast(_type("time"))
    given = {"time": time, **columns}
    return pa.Table.from_arrays(
        [given.get(field.name, pa.nulls(size, field.type)) for field in EVENT_COLUMNS], schema=EVENT_COLUMNS
    )


def _type(name: str) -> pa.DataType:
    return EVENT_COLUMNS.field(name).type


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two small sizes")
    sizes = QUICK if parser.parse_args(arguments).quick else SIZES
    headings = ("events", "links", "finding s", "applying s", "publishing s", "all s", "us/event", "growth")
    print(f"{'identity':<12}" + "".join(f"{heading:>14}" for heading in headings))
    for system in ("simplified", "original"):
        first = 0.0
        for events in sizes:
            row = run(system, events, sizes[0])
            each = row.seconds / events * 1e6
            first = first or each
            figures = f"{row.finding:>14.1f}{row.applying:>14.1f}{row.publishing:>14.1f}{row.seconds:>14.1f}"
            print(f"{system:<12}{events:>14,}{row.linked:>14,}{figures}{each:>14.1f}{each / first:>14.2f}", flush=True)


if __name__ == "__main__":
    main()
