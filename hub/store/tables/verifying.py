"""What partners were found to have, when they were asked."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text

from hub.store.tables.base import Id, UtcDateTime, metadata

verifications = Table(
    "verifications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sync_id", ForeignKey("syncs.id"), nullable=False),
    Column("audience_id", ForeignKey("audiences.id"), nullable=False),
    Column("state", String(16), nullable=False),  # listing, done, failed
    Column("actor", Text, nullable=False),
    Column("held_version", BigInteger, nullable=False),  # of the held set that the partner's was compared with
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("listed", BigInteger, nullable=False, default=0),  # members that the partner told of
    Column("held", BigInteger, nullable=False, default=0),  # members that the hub held
    Column("values_read", Boolean, nullable=False, default=False),  # whether the partner told mapped values too
    Column("found", JSON, nullable=False, default=dict),  # kind of finding -> members
    Column("decided", JSON, nullable=False, default=dict),  # kind of finding -> adopt, repair, ignore
    Column("run_id", ForeignKey("runs.id")),  # that wrote down what was decided
    Column("message", Text, nullable=False, default=""),
    Index("ix_verifications_sync", "sync_id", "id"),
    Index("ix_verifications_run", "run_id"),
    sqlite_autoincrement=True,
)
