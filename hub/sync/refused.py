"""Members that a partner refused: kept with its words, until it takes them or the audience is no longer about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, select

from hub.clock import now
from hub.connectors.contract import Refusal
from hub.store.lease import Lease, writing_under
from hub.store.store import Store
from hub.store.tables import exceptions
from hub.sync.batches import Batch
from hub.sync.models import Rejected
from hub.sync.planned import PlannedRows

PROBE_AFTER = timedelta(days=7)
"""Members that were refused for good are tried again so much later all the same: the slow probe."""

_KEPT_IN_MIND = 100_000
_KEYS_AT_ONCE = 10_000  # SQLite takes 32,766 values in one statement


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the partner did not take a member, in its words, and whether it is in the audience all the same."""

    reason: str
    in_audience: bool = False


class RefusedMembers:
    """The members that partners refused. With the `lease` of an audience, `forget` raises Busy once it is lost."""

    def __init__(self, store: Store, lease: Lease | None = None) -> None:
        self._store = store
        self._lease = lease

    def of_audience(self, audience_id: int, page: int = 20_000) -> Iterable[Sequence[Row[Any]]]:
        """The members of an audience that the partner refused, page by page, by key."""
        last = ""
        while True:
            query = (
                select(exceptions)
                .where(exceptions.c.audience_id == audience_id, exceptions.c.key > last)
                .order_by(exceptions.c.key)
                .limit(page)
            )
            with self._store.reading() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield rows
            last = rows[-1].key

    def of_batches(self, run_id: int, first: int, last: int) -> dict[str, Refused]:
        """The keys that were refused in the batches `first` to `last` of a run."""
        query = select(exceptions.c.key, exceptions.c.reason, exceptions.c.in_audience).where(
            exceptions.c.run_id == run_id, exceptions.c.batch.between(first, last)
        )
        with self._store.reading() as connection:
            return {row.key: Refused(row.reason, row.in_audience) for row in connection.execute(query)}

    def forget(self, audience_id: int, keys: Sequence[str]) -> None:
        """Forget the refusals of members whom the audience is no longer about."""
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            some = exceptions.c.key.in_(keys[first : first + _KEYS_AT_ONCE])
            with writing_under(self._store, self._lease) as connection:
                connection.execute(exceptions.delete().where(exceptions.c.audience_id == audience_id, some))

    def of_run(self, run_id: int, limit: int) -> list[Rejected]:
        """The members refused in a run that have not been taken since, by key."""
        query = select(exceptions).where(exceptions.c.run_id == run_id).order_by(exceptions.c.key).limit(limit)
        with self._store.reading() as connection:
            return [
                Rejected(
                    person=row.person,
                    key=row.key,
                    action=row.action,
                    reason=row.reason,
                    code=row.code,
                    tries=row.tries,
                    last_at=row.last_at,
                    retry_at=row.retry_at,
                )
                for row in connection.execute(query)
            ]


class RefusedBefore:
    """Whom the partner of an audience has refused before, as far as they can be kept in mind: nobody else's refusal has
    to be looked for when a batch was answered. Whoever writes the audience's refusals has its lease."""

    def __init__(self, audience_id: int) -> None:
        self.audience_id = audience_id
        self._keys: set[str] | None = None
        self._too_many = False

    def among(self, transaction: Transaction, keys: Sequence[str]) -> Sequence[str]:
        """Those of `keys` who may have been refused before."""
        if self._keys is None:
            of_audience = select(exceptions.c.key).where(exceptions.c.audience_id == self.audience_id)
            self._keys = {*transaction.execute(of_audience.limit(_KEPT_IN_MIND + 1)).scalars()}
            self._too_many = len(self._keys) > _KEPT_IN_MIND
        return keys if self._too_many else [key for key in keys if key in self._keys] if self._keys else ()

    def note(self, keys: Iterable[str]) -> None:
        """These were refused now."""
        if self._keys is not None and not self._too_many:
            self._keys.update(keys)
            self._too_many = len(self._keys) > _KEPT_IN_MIND


def note_answer(
    transaction: Transaction,
    batch: Batch,
    rows: PlannedRows,
    refused: Mapping[str, Refusal],
    before: RefusedBefore,
    *,
    version: str,
) -> None:
    """Write down who of a batch (`rows` of its plan) a partner refused, by key; who was refused `before` and is taken
    now is forgotten."""
    ours = exceptions.c.audience_id == before.audience_id
    suspects = before.among(transaction, rows.keys)
    query = select(exceptions.c.key, exceptions.c.tries, exceptions.c.first_at)
    found = transaction.execute(query.where(ours, exceptions.c.key.in_(suspects))) if suspects else ()
    known = {row.key: row for row in found}
    if known:
        transaction.execute(exceptions.delete().where(ours, exceptions.c.key.in_(list(known))))
    if not refused:
        return
    at = now()
    transaction.execute(
        exceptions.insert(),
        [
            {
                "audience_id": before.audience_id,
                "key": member.key,
                "person": member.person,
                "action": batch.action.value,
                "mapped": member.fingerprint,
                "reason": refused[member.key].reason,
                "code": refused[member.key].code,
                "tries": known[member.key].tries + 1 if member.key in known else 1,
                "in_audience": refused[member.key].in_audience,
                "connector_version": version,
                "run_id": batch.run_id,
                "batch": batch.number,
                "first_at": known[member.key].first_at if member.key in known else at,
                "last_at": at,
                "retry_at": at + (refused[member.key].retry_after or PROBE_AFTER),
            }
            for member in rows.planned(refused)
        ],
    )
    before.note(refused)
