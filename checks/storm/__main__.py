"""`python -m checks.storm --kills 300`: what happened is printed; a difference ends it with exit code 1."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from checks.storm.partners import PARTNERS
from checks.storm.rounds import storm
from checks.storm.truth import Wrong


def main() -> None:
    """Kill half of the runs of each partner, and compare after every round."""
    parser = argparse.ArgumentParser(prog="python -m checks.storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="runs to be killed, of all partners together")
    parser.add_argument("--people", type=int, default=6_000)
    parser.add_argument("--workers", type=int, default=0, help="so many `hub worker` on a PostgreSQL do the runs")
    parser.add_argument("--partner", choices=[*PARTNERS, "both"], default="both")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed makes the same world")
    asked = parser.parse_args()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # the lines that the sandbox cuts are cut on purpose
    chosen = [*PARTNERS] if asked.partner == "both" else [asked.partner]
    started = time.monotonic()
    kills = 0
    for number, name in enumerate(chosen, start=1):
        wanted = asked.kills * number // len(chosen) - kills
        try:
            kills += storm(name, kills=wanted, people=asked.people, seed=asked.seed, say=_say, workers=asked.workers)
        except Wrong as wrong:
            sys.exit("\n".join([f"{name}, seed {asked.seed}: {wrong}", *getattr(wrong, "__notes__", ())]))
    print(f"{kills} runs killed in {time.monotonic() - started:.0f} s; after every round the partner held the cohort.")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
