"""Accounts at partners, and the audiences that the hub keeps there."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from hub.store.tables.base import UtcDateTime, free_after_removal, metadata

connections = Table(
    "connections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("connector", String(64), nullable=False),
    Column("settings", JSON, nullable=False),  # without secrets
    Column("secrets", LargeBinary, nullable=False),  # encrypted JSON object
    Column("match_keys", JSON, nullable=False, default=list, server_default="[]"),  # as chosen, in order
    Column("state", String(16), nullable=False),  # connected, refused, wrong, unreachable
    Column("message", Text, nullable=False, default=""),
    Column("account_id", Text, nullable=False, default=""),
    Column("account_label", Text, nullable=False, default=""),
    Column("checked_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),  # by a person; the row stays, because the ledger refers to it
    free_after_removal("connections"),
)

pulls = Table(
    "pulls",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("cursor", JSON, nullable=False),
    Column("version", BigInteger, nullable=False, default=0),  # pages stored
    Column("received", BigInteger, nullable=False, default=0),
    Column("pulled_at", UtcDateTime),
    Column("next_at", UtcDateTime),
    Column("message", Text, nullable=False, default=""),
    Column("lease_owner", Text),
    Column("lease_until", UtcDateTime),
)

audiences = Table(
    "audiences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("connection_id", ForeignKey("connections.id"), nullable=False),
    Column("name", String(255), nullable=False),  # at the partner
    Column("ref", JSON),  # the connector's; null until the partner has it
    Column("url", Text, nullable=False, default=""),
    Column("created_at", UtcDateTime, nullable=False),
    Column("gone_at", UtcDateTime),  # deleted at the partner
    Column("lease_owner", Text),
    Column("lease_until", UtcDateTime),
    Index("ix_audiences_connection_name", "connection_id", "name"),
)
