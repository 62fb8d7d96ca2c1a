"""What telling how fresh a sync is costs at the end of a run, beside what its evaluation took.

Two syncs of which 1 % of the members change: a cohort of profiles, and one of events (a generated shop, compacted; the
new events came in since the last run). A third run changes nothing. Each is the best of several turns on a copy.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks import generated_shop
from benchmarks.syncing import people
from benchmarks.syncing.measuring import Turn, contend, in_turn
from hub.lake.tables import EVENTS

EVENT, TIMES = "Add to Cart", 3
DEFINITION = f'did "{EVENT}" at least {TIMES} times in last 120 days'
CHANGED = 100
"""One person in so many does it now."""

_NEW = """
    select 1::int as project_id, strftime(now(), '%Y-%m') as month, '{event}' as event,
        'user-' || n as distinct_id, null::varchar as device_id, null::varchar as user_id, now() as time,
        md5('new' || n || '-' || k) as insert_id, null::varchar as source, now() as received_at,
        map {{'$os': 'iOS'}} as strings, map {{'amount': 1.0::double}} as numbers,
        map([]::varchar[], []::boolean[]) as booleans, map([]::varchar[], []::timestamptz[]) as times,
        map([]::varchar[], []::varchar[][]) as lists, null::varchar as nested
    from range(0, {people}, {changed}) numbers(n), range({times}) again(k)
"""


def measure(url: str, folder: Path, count: int, rounds: int) -> None:
    """Print what it took beside the evaluation, and as a share of it."""
    _measured(url, folder, f"{count:,} members by profiles", people.made(folder, count), people.change, count, rounds)
    events = 10 * count
    _measured(url, folder, f"{events:,} events", _shop(folder, events), _happen, events, rounds)


def _measured(
    url: str, folder: Path, what: str, home: Path, change: Callable[[Path, int], int], size: int, rounds: int
) -> None:
    synced = people.copied(home, folder / "synced")
    contend(url, "hub", url, people.SYNC, environment=people.environment(synced))
    change(synced, size)
    _print(f"{what}, 1 % changed", _best(url, folder, synced, rounds))
    contend(url, "hub", url, people.SYNC, environment=people.environment(synced))
    _print(f"{what}, unchanged", _best(url, folder, synced, rounds))


def _best(url: str, folder: Path, synced: Path, rounds: int) -> Turn:
    def run() -> Turn:
        home = people.copied(synced, folder / "run")
        return contend(url, "hub", url, people.SYNC, environment=people.environment(home))

    return in_turn(rounds, {"hub": run})["hub"]


def _print(what: str, best: Turn) -> None:
    evaluated, told = best.told["timings"]["evaluate"], best.told["freshness"]
    print(
        f"{what}: {best.told['sent']:,} sent; evaluated in {evaluated:.3f} s, freshness told in {told:.3f} s: "
        f"{told / evaluated:.1%} of the evaluation, {told / best.wall:.1%} of the run"
    )


def _shop(folder: Path, events: int) -> Path:
    """A home whose lake is that of a generated shop."""
    home = folder / f"shop-home-{events}"
    shutil.rmtree(home, ignore_errors=True)
    people.empty(home, DEFINITION)
    people.copied(Path(generated_shop.generated(folder / "shop", events).root), home / "lake")
    return home


def _happen(home: Path, events: int) -> int:
    """Let one person in `CHANGED` do what the cohort asks for, now."""
    persons = events // generated_shop.EVENTS_A_PERSON
    people.append(home, EVENTS, _NEW.format(event=EVENT, times=TIMES, people=persons, changed=CHANGED))
    return len(range(0, persons, CHANGED))
