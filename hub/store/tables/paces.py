"""What the limits of an account at a partner have left: shared by all who talk to it, on all machines."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table

from hub.store.tables.base import UtcDateTime, metadata

account_paces = Table(
    "account_paces",
    metadata,
    Column("account", String(512), primary_key=True),  # connector:account
    Column("next_at", BigInteger, nullable=False, default=0),  # microseconds since 1970: no request before
)

account_shares = Table(
    "account_shares",
    metadata,
    Column("account", String(512), primary_key=True),
    Column("owner", String(255), primary_key=True),  # one who talks to the account, named as the owner of a lease
    Column("wants", Integer, nullable=False),  # requests under way and waiting
    Column("granted", Integer, nullable=False),  # requests that may be under way
    Column("until", UtcDateTime, nullable=False),  # without a sign of life until then, it is somebody else's
)
