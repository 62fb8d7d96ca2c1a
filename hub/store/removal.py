"""Removing what the ledger refers to: a row stays and says when it was removed; its name is free from then on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from hub.errors import UsageError
from hub.store.tables import runs, syncs


@dataclass(frozen=True)
class Uses:
    """The syncs of a cohort or connection: `busy` keep it from being removed, `over` are removed with it.

    A sync is busy while it is active, or has a run that somebody may still go on with. `runs` counts those of the
    others: the ledger keeps them.
    """

    busy: tuple[str, ...]
    over: tuple[str, ...]
    runs: int


def uses(transaction: Connection, of: ColumnElement[bool]) -> Uses:
    """The syncs that fulfil `of` (a condition on `syncs`), by name."""
    unfinished = select(runs.c.sync_id).where(runs.c.finished_at.is_(None))
    query = select(syncs.c.id, syncs.c.name, (syncs.c.state == "active") | syncs.c.id.in_(unfinished)).where(
        of, syncs.c.removed_at.is_(None)
    )
    found = transaction.execute(query.order_by(syncs.c.name)).all()
    over = [row.id for row in found if not row[2]]
    counted = select(func.count()).select_from(runs).where(runs.c.sync_id.in_(over))
    return Uses(
        tuple(row.name for row in found if row[2]),
        tuple(row.name for row in found if not row[2]),
        transaction.execute(counted).scalar_one(),
    )


def retire_syncs(transaction: Connection, of: ColumnElement[bool], *, what: str, at: datetime) -> tuple[str, ...]:
    """Remove the syncs of `what`, which is being removed itself; returns their names.

    Raises UsageError, naming them, when some are busy; then nothing is changed.
    """
    found = uses(transaction, of)
    if found.busy:
        listed = ", ".join(repr(name) for name in found.busy[:3])
        listed += f" and {len(found.busy) - 3} more" if len(found.busy) > 3 else ""
        several = len(found.busy) > 1
        raise UsageError(
            f"{what} is used by the sync{'s' if several else ''} {listed}.",
            hint=f"Remove {'them' if several else 'it'} first, with `hub sync remove`: what the partner holds stays "
            "there.",
        )
    transaction.execute(
        syncs.update().where(of, syncs.c.removed_at.is_(None)).values(removed_at=at, updated_at=at, next_run_at=None)
    )
    return found.over
