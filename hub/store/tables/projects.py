"""Projects, the tokens that may write to them, and the leases of work that only one process may do."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from hub.store.tables.base import UtcDateTime, metadata

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("timezone", String(64), nullable=False),
    Column("identity", String(16), nullable=False),  # simplified, original
    Column("created_at", UtcDateTime, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # project, secret, service
    Column("name", String(255), nullable=False),  # of a service account its user name, else what people call it
    Column("hash", String(64), nullable=False, unique=True),  # SHA-256 of the token
    Column("hint", String(8), nullable=False),  # its last characters, to tell it by
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index("ix_tokens_project", "project_id", "kind", "name"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),  # mover, maintenance
    Column("lease_owner", Text),
    Column("lease_until", UtcDateTime),
)
