"""Cohorts that bring their own members: how their lists changed, and the warehouses that some of them are asked of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text
from sqlalchemy import UniqueConstraint as Unique

from hub.store.tables.base import Id, UtcDateTime, metadata

member_changes = Table(
    "member_changes",
    metadata,
    Column("id", Id, primary_key=True),  # of one cohort: in the order in which they were applied
    Column("cohort_id", ForeignKey("cohorts.id"), nullable=False),
    Column("session", String(255), nullable=False, default=""),  # of pages that were received one by one
    Column("origin", Text, nullable=False),  # where the members come from, for people
    Column("whole", Boolean, nullable=False, default=False),  # its rows are the whole list; earlier ones do not count
    Column("written", BigInteger, nullable=False, default=0),  # members that are new, or have other properties
    Column("taken_out", BigInteger, nullable=False, default=0),
    Column("size", BigInteger, nullable=False, default=0),  # of the list after it
    Column("applied_at", UtcDateTime),  # null: being written, or given up
    Index("ix_member_changes_cohort", "cohort_id", "applied_at"),
    Index("ix_member_changes_session", "cohort_id", "session"),
    sqlite_autoincrement=True,
)

member_pages = Table(
    "member_pages",
    metadata,
    Column("cohort_id", ForeignKey("cohorts.id"), primary_key=True),
    Column("session", String(255), primary_key=True),
    Column("page", Integer, primary_key=True),  # from 1
    Column("total", Integer, nullable=False),
    Column("file", Text, nullable=False),  # below the lake's folder
    Column("received_at", UtcDateTime, nullable=False),
)

warehouses = Table(
    "warehouses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("url", Text, nullable=False),  # without the password
    Column("secrets", LargeBinary, nullable=False),  # encrypted JSON object
    Column("message", Text, nullable=False, default=""),  # what was wrong when it was last asked
    Column("checked_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Unique("project_id", "name"),
)
