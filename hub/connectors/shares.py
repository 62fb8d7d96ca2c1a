"""Dividing an account's limits among those who talk to it: the rule, and the books in the control plane."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, delete, select

from hub.clock import now
from hub.store.lease import may_be_alive
from hub.store.store import Store
from hub.store.tables import account_paces, account_shares

LASTS = timedelta(seconds=60)
"""Who gives no sign of life for so long, or whose process on this machine has died, loses what was granted."""

Instant = int
"""Microseconds since 1970 UTC."""


def fair_shares(limit: int, wants: Mapping[str, int]) -> dict[str, int]:
    """How many of `limit` requests at once each gets: nobody more than others as long as these want more.

    What nobody wants is divided too, among those who want anything: they may want it in a moment. Shares differ by one
    where they cannot be equal: the first by name get more.
    """
    shares, left = dict.fromkeys(wants, 0), limit
    asking = sorted((one for one in wants if wants[one] > 0), key=lambda one: (wants[one], one))
    for place, one in enumerate(asking):
        shares[one] = min(wants[one], -(-left // (len(asking) - place)))
        left -= shares[one]
    for place, one in enumerate(asking):
        more = -(-left // (len(asking) - place))
        shares[one] += more
        left -= more
    return shares


@dataclass(frozen=True)
class AccountBooks:
    """The books of one account, in the control plane. Every call is a transaction of its own; raises StoreError.

    `account` names it for the whole hub; `concurrency` is how many requests may be under way at once.
    """

    store: Store
    account: str
    concurrency: int

    def rebalance(self, owner: str, *, wants: int, under_way: int) -> tuple[int, Instant]:
        """Tell what `owner` wants now, of which so many are under way. Returns how many may be, and the instant before
        which none may begin.

        Nobody is granted what another still has. Whoever has more under way than he may, because others have come,
        keeps that in the books and begins no other: at the next call what is done is free.
        """
        with self._writing() as connection:
            next_at = self._next_at(connection)
            others = self._others(connection, owner)
            wanted = {owner: wants, **{one: wanted for one, (wanted, _) in others.items()}}
            shares = fair_shares(self.concurrency, wanted)
            free = self.concurrency - sum(granted for _, granted in others.values())
            allowed = max(min(shares[owner], free), 0)
            self._note(connection, owner, wants, max(under_way, allowed))
        return allowed, next_at

    def leave(self, owner: str) -> None:
        """Give everything back."""
        with self._writing() as connection:
            connection.execute(delete(account_shares).where(self._this(owner)))

    def reserve(self, count: int, apart: int) -> list[Instant]:
        """The next `count` instants, `apart` microseconds each, at which nobody else may send a request."""
        with self._writing() as connection:
            first = max(self._next_at(connection), _now())
            self._move(connection, first + count * apart)
        return [first + number * apart for number in range(count)]

    def hold_off(self, until: Instant) -> None:
        """Keep everybody from beginning a request before `until`."""
        with self._writing() as connection:
            if self._next_at(connection) < until:
                self._move(connection, until)

    def _writing(self) -> AbstractContextManager[Connection]:
        """A transaction on this account's books. Those of other accounts, and all else, need not wait for it."""
        return self.store.writing(turn=f"account {self.account}")

    def _next_at(self, connection: Connection) -> Instant:
        """When the next request may begin."""
        query = select(account_paces.c.next_at).where(account_paces.c.account == self.account)
        found = connection.execute(query).scalar()
        if found is None:
            connection.execute(account_paces.insert().values(account=self.account, next_at=0))
        return int(found or 0)

    def _others(self, connection: Connection, owner: str) -> dict[str, tuple[int, int]]:
        """What each of the others wants and has. Those who are gone are taken out."""
        rows = connection.execute(select(account_shares).where(account_shares.c.account == self.account)).all()
        gone = [row.owner for row in rows if row.owner != owner and (row.until < now() or not may_be_alive(row.owner))]
        if gone:
            connection.execute(
                delete(account_shares).where(account_shares.c.account == self.account, account_shares.c.owner.in_(gone))
            )
        return {row.owner: (row.wants, row.granted) for row in rows if row.owner != owner and row.owner not in gone}

    def _note(self, connection: Connection, owner: str, wants: int, granted: int) -> None:
        values = {"wants": wants, "granted": granted, "until": now() + LASTS}
        if not connection.execute(account_shares.update().where(self._this(owner)).values(values)).rowcount:
            connection.execute(account_shares.insert().values(account=self.account, owner=owner, **values))

    def _move(self, connection: Connection, next_at: Instant) -> None:
        this = account_paces.c.account == self.account
        connection.execute(account_paces.update().where(this).values(next_at=next_at))

    def _this(self, owner: str) -> ColumnElement[bool]:
        return (account_shares.c.account == self.account) & (account_shares.c.owner == owner)


def _now() -> Instant:
    return int(now().timestamp() * 1_000_000)
