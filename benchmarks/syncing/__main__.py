"""Syncs against floors by hand and against peers, in one run.

    python -m benchmarks.syncing [--only first|peers|changed|due|pace|freshness] [--people N] [--rounds N]
        [--folder FOLDER]

The receiver is a process of its own that does nothing but count (`benchmarks.syncing.receiver`); its own requests a
second are printed first. Latency is 0. Homes are made once in FOLDER and kept there when it is given.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.syncing import changed, due, first_delivery, freshness, pace, peers
from benchmarks.syncing.load import alone
from benchmarks.syncing.measuring import receiving

PARTS = ("first", "peers", "changed", "due", "pace", "freshness")


def main(arguments: list[str] | None = None) -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args(arguments)
    only = asked.only or [part for part in PARTS if part != "peers"]
    with TemporaryDirectory() as passing, receiving() as url:
        folder = asked.folder or Path(passing)
        print(f"the receiver alone: {alone(url):,.0f} requests/s of 500 members")
        ours = None
        if "first" in only or "peers" in only:
            ours = first_delivery.measure(url, folder, asked.people, asked.rounds)
        if "peers" in only and ours:
            peers.measure(url, folder, asked.people, ours)
        if "changed" in only:
            changed.measure(url, folder, asked.people, asked.rounds)
        if "due" in only:
            due.measure(folder)
        if "pace" in only:
            pace.measure(url, folder)
        if "freshness" in only:
            freshness.measure(url, folder, asked.people, asked.rounds)


if __name__ == "__main__":
    main()
