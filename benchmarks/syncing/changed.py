"""A sync whose members have hardly changed, or not at all, against a diff by hand over the same files.

The diff is DuckDB SQL: who is in the cohort by the newest row of each profile, with the key and the three values,
beside what is held; it says what differs. The loop posts that.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.syncing import people
from benchmarks.syncing.measuring import Turn, contend, in_turn


def measure(url: str, folder: Path, count: int, rounds: int) -> None:
    """Print both ratios."""
    home = people.made(folder, count)
    synced = people.copied(home, folder / "synced")
    contend(url, "hub", url, people.SYNC, environment=people.environment(synced))
    _print("unchanged", _measured(url, folder, synced, rounds), count, 0)
    differs = people.change(synced, count)
    _print("1 % changed", _measured(url, folder, synced, rounds), count, differs)


def _measured(url: str, folder: Path, synced: Path, rounds: int) -> dict[str, Turn]:
    def hub() -> Turn:
        run = people.copied(synced, folder / "run")
        return contend(url, "hub", url, people.SYNC, environment=people.environment(run))

    def diff() -> Turn:
        return contend(url, "diff", url, environment=people.environment(synced))

    return in_turn(rounds, {"hub": hub, "diff": diff})


def _print(what: str, best: dict[str, Turn], count: int, differs: int) -> None:
    ours, floor = best["hub"], best["diff"]
    assert ours.told["sent"] == floor.told["sent"] == differs, (ours.told, floor.told, differs)
    print(f"{count:,} members, {what}: {ours.received['requests']:,} writing calls for {differs:,} members")
    print(f"  by hand (DuckDB, httpx)  {floor.words()}")
    print(f"  hub, whole run           {ours.words()}, ratio {ours.wall / floor.wall:.2f}")
