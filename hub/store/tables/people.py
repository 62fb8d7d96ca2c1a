"""Profiles and identities as they are now, looked up by key."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text

from hub.store.tables.base import UtcDateTime, metadata

profiles = Table(
    "profiles",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("distinct_id", String(255), primary_key=True),
    Column("seq", BigInteger, nullable=False),  # rises with every change, in one project
    Column("known_at", UtcDateTime, nullable=False),
    Column("properties", Text, nullable=False),  # a JSON object
    Column("deleted", Boolean, nullable=False, default=False),
    Index("ix_profiles_seq", "project_id", "seq"),
)

identities = Table(
    "identities",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("id", String(300), primary_key=True),
    Column("person", String(300), nullable=False),  # the canonical id of its cluster
    Column("linked_at", BigInteger, nullable=False),  # time of the event that links it, microseconds since 1970 UTC
    Column("known_from", UtcDateTime, nullable=False),  # when the hub got to know
    Column("seq", BigInteger, nullable=False),  # rises with every change, in one project
    Index("ix_identities_seq", "project_id", "seq"),
    Index("ix_identities_person", "project_id", "person"),
)

identities_closed = Table(
    "identities_closed",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("id", String(300), nullable=False),
    Column("person", String(300), nullable=False),  # whom it belonged to
    Column("known_from", UtcDateTime, nullable=False),
    Column("known_to", UtcDateTime, nullable=False),
)

identity_links = Table(
    "identity_links",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),  # identify, alias, merge
    Column("one", String(300), primary_key=True),
    Column("other", String(300), primary_key=True),
    Column("time", BigInteger, nullable=False),  # of the earliest event that says so, microseconds since 1970 UTC
    Column("failed", String(16), nullable=False, default=""),  # why it links nobody: taken, full, already ...
    Index("ix_identity_links_one", "project_id", "one", "failed", "time"),
    Index("ix_identity_links_other", "project_id", "other", "failed", "time"),
)
