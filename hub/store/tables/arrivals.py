"""What has come in: files, how far the intake log has been applied, and what was refused."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from hub.store.tables.base import Id, UtcDateTime, metadata

imports = Table(
    "imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # events, profiles
    Column("digest", String(64), nullable=False),  # SHA-256 of the file
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),  # bytes
    Column("lines", BigInteger, nullable=False, default=0),  # lines that are done
    Column("accepted", BigInteger, nullable=False, default=0),
    Column("rejected", BigInteger, nullable=False, default=0),
    Column("reasons", JSON, nullable=False, default=dict),  # reason -> rejected lines
    Column("chunk", Integer, nullable=False, default=0),  # chunks that are done
    Column("state", String(16), nullable=False),  # running, done
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("project_id", "kind", "digest"),
)

import_rejects = Table(
    "import_rejects",
    metadata,
    Column("import_id", ForeignKey("imports.id"), primary_key=True),
    Column("line", BigInteger, primary_key=True),  # of a JSON array: the element
    Column("reason", Text, nullable=False),
    Column("excerpt", Text, nullable=False),
    Column("begins_on", BigInteger),  # of an element: the line
)

intake_progress = Table(
    "intake_progress",
    metadata,
    Column("epoch", String(32), primary_key=True),  # of the intake log
    Column("applied", BigInteger, nullable=False),  # the last of its entries that the control plane knows of
)

rejections = Table(
    "rejections",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("source", String(16), primary_key=True),  # track, import, engage
    Column("reason", String(255), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)

rejection_samples = Table(
    "rejection_samples",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("source", String(16), nullable=False),
    Column("reason", String(255), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("excerpt", Text, nullable=False),
    Index("ix_rejection_samples_reason", "project_id", "source", "reason", "id"),
)
