"""The first delivery of a cohort, everything recorded, against a bare loop that posts the same bodies.

Printed of the hub: the whole run (evaluated, planned, delivered, settled), and the delivery alone.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.syncing import people
from benchmarks.syncing.measuring import Turn, contend, in_turn


def measure(url: str, folder: Path, count: int, rounds: int) -> Turn:
    """Print the table; returns the hub's best turn."""
    home = people.made(folder, count)

    def hub() -> Turn:
        run = people.copied(home, folder / "run")
        return contend(url, "hub", url, people.SYNC, environment=people.environment(run))

    def loop() -> Turn:
        return contend(url, "loop", url, str(home / "members.parquet"))

    best = in_turn(rounds, {"hub": hub, "loop": loop})
    ours, floor = best["hub"], best["loop"]
    same = ("requests", "bytes", "digest")
    assert [ours.received[name] for name in same] == [floor.received[name] for name in same], "other bodies were posted"
    steps = ours.told["timings"]
    delivery = steps["deliver"]
    print(f"first delivery of {count:,} members, {floor.received['requests']:,} requests, the same bodies:")
    print(f"  loop by hand (httpx, records nothing)  {floor.words()}")
    print(f"  hub, whole run                         {ours.words()}, ratio {ours.wall / floor.wall:.2f}")
    print(f"  hub, delivery alone                    {delivery:6.2f} s wall, ratio {delivery / floor.wall:.2f}")
    print("  " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in steps.items()))
    return ours
