"""10,000 syncs in the table, all due: how long `run-due` takes to decide what to do first."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from benchmarks.syncing import people


def measure(folder: Path, count: int = 10_000) -> None:
    """Print the seconds: of the question, of who else writes an audience, and of a clock that was put back."""
    from hub.app import Hub
    from hub.clock import now
    from hub.store.tables import connections, syncs
    from hub.sync.due import due_syncs, follow_clock
    from hub.sync.ownership import Ownership
    from hub.sync.rows import SyncRows

    home = folder / "due"
    shutil.rmtree(home, ignore_errors=True)
    people.empty(home)
    hub, at = Hub.open(home), now()
    common = {"project_id": 1, "created_at": at, "updated_at": at}
    with hub.workspace.store.writing() as transaction:
        transaction.execute(
            connections.insert().values(
                name="bench", connector="bench", settings={}, secrets=b"", state="connected", message="",
                account_id="1", account_label="", **common,
            )
        )  # fmt: skip
        transaction.execute(
            syncs.insert(),
            [
                {"name": f"s{number}", "cohort_id": 1, "connection_id": 1, "audience_name": f"a{number}", "mapping": {},
                 "every_seconds": 3600, "state": "active", "next_run_at": at, **common}
                for number in range(count)
            ],
        )  # fmt: skip
    store, soon = hub.workspace.store, at + timedelta(seconds=1)
    found, asked = _timed(lambda: due_syncs(store, soon))
    assert len(found) == count
    rows = SyncRows(store, hub.workspace.project.id)
    ownership = Ownership(store, hub.connections, hub.workspace.project)
    newest = rows.row(found[-1].name)
    _, rival = _timed(lambda: ownership.rival(newest))
    _, quarrels = _timed(ownership.quarrels)
    moved, clock = _timed(lambda: follow_clock(store, at - timedelta(days=1)))
    assert moved == count
    print(
        f"{count:,} syncs, all due: found in {asked:.3f} s; whether another writes its audience, for one {rival:.3f} s,"
    )
    print(f"  for all {quarrels:.3f} s; a clock that was put back {clock:.3f} s")


def _timed(work):
    began = perf_counter()
    found = work()
    return found, perf_counter() - began
