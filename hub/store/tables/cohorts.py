"""Cohorts: their definitions."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Table, Text

from hub.store.tables.base import UtcDateTime, free_after_removal, metadata

cohorts = Table(
    "cohorts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("kind", String(16), nullable=False, default="dynamic", server_default="dynamic"),  # static, sql, received
    Column("definition", JSON, nullable=False),  # of the other kinds: where the members come from
    Column("version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("size", BigInteger),  # people, when last evaluated
    Column("evaluated_at", UtcDateTime),
    Column("removed_at", UtcDateTime),  # by a person; the row stays, because the ledger refers to it
    free_after_removal("cohorts"),
)

cohort_versions = Table(
    "cohort_versions",
    metadata,
    Column("cohort_id", ForeignKey("cohorts.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("change", String(16), nullable=False),  # made, edited, reverted, removed
    Column("restored", Integer),  # the version that was gone back to
    Column("description", Text, nullable=False),  # of the cohort since then, as is the definition
    Column("definition", JSON, nullable=False),
    Column("actor", Text, nullable=False),  # empty: nobody wrote it down yet
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
