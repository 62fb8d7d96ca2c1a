"""The tables of the control plane.

Instants are stored in UTC and come back as aware datetimes. A table's rows are looked up by key; whatever
a set query joins lives in the lake.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, stored as UTC. Refuses a naive one."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("timezone", String(64), nullable=False),
    Column("identity", String(16), nullable=False),  # simplified, original
    Column("created_at", UtcDateTime, nullable=False),
)

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

cohorts = Table(
    "cohorts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("definition", JSON, nullable=False),
    Column("version", Integer, nullable=False, default=1),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("size", BigInteger),  # people, when last evaluated
    Column("evaluated_at", UtcDateTime),
    UniqueConstraint("project_id", "name"),
)

connections = Table(
    "connections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("connector", String(64), nullable=False),
    Column("settings", JSON, nullable=False),  # without secrets
    Column("secrets", LargeBinary, nullable=False),  # encrypted JSON object
    Column("state", String(16), nullable=False),  # connected, refused, wrong, unreachable
    Column("message", Text, nullable=False, default=""),
    Column("account_id", Text, nullable=False, default=""),
    Column("account_label", Text, nullable=False, default=""),
    Column("checked_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("project_id", "name"),
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

syncs = Table(
    "syncs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("cohort_id", ForeignKey("cohorts.id"), nullable=False),
    Column("connection_id", ForeignKey("connections.id"), nullable=False),
    Column("audience_name", String(255), nullable=False),
    Column("mapping", JSON, nullable=False),  # target name -> profile property
    Column("every_seconds", BigInteger),  # null: one-time
    Column("state", String(16), nullable=False),  # active, done, stopped
    Column("message", Text, nullable=False, default=""),
    Column("next_run_at", UtcDateTime),
    Column("missed", Integer, nullable=False, default=0),  # ticks that nobody was there for
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("project_id", "name"),
    Index("ix_syncs_due", "state", "next_run_at"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("sync_id", ForeignKey("syncs.id"), nullable=False),
    Column("audience_id", ForeignKey("audiences.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("trigger", String(16), nullable=False),  # schedule, manual
    Column("mapping", JSON, nullable=False),  # of the sync, when the run began
    Column("cohort_version", Integer, nullable=False),
    Column("as_of", UtcDateTime),  # the "now" of the evaluation
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("resumed", Integer, nullable=False, default=0),  # times that it was gone on with
    Column("qualified", BigInteger, nullable=False, default=0),
    Column("skipped", JSON, nullable=False),  # reason -> people
    Column("to_add", BigInteger, nullable=False, default=0),
    Column("to_update", BigInteger, nullable=False, default=0),
    Column("to_remove", BigInteger, nullable=False, default=0),
    Column("unchanged", BigInteger, nullable=False, default=0),
    Column("parked", BigInteger, nullable=False, default=0),  # refused before, and not due to be tried again
    Column("plan_digest", String(64), nullable=False, default=""),
    Column("timings", JSON, nullable=False),  # phase -> seconds
    Column("message", Text, nullable=False, default=""),
    Column("hint", Text, nullable=False, default=""),
    Index("ix_runs_sync", "sync_id", "id"),
)

batches = Table(
    "batches",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("action", String(8), nullable=False),  # add, update, remove
    Column("first_row", BigInteger, nullable=False),  # of the plan
    Column("size", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # planned, sent, acknowledged, owed
    Column("attempts", Integer, nullable=False, default=0),
    Column("lost_answers", Integer, nullable=False, default=0),  # sent without learning what became of it
    Column("sent_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("rejected", Integer, nullable=False, default=0),
    Column("request_id", Text, nullable=False, default=""),
    Column("message", Text, nullable=False, default=""),
)

exceptions = Table(
    "exceptions",
    metadata,
    Column("audience_id", ForeignKey("audiences.id"), primary_key=True),
    Column("key", String(512), primary_key=True),
    Column("person", Text, nullable=False),
    Column("action", String(8), nullable=False),
    Column("mapped", Text, nullable=False),  # what was to be written, canonical
    Column("reason", Text, nullable=False),  # the partner's words
    Column("code", Text, nullable=False, default=""),
    Column("tries", Integer, nullable=False, default=1),
    Column("in_audience", Boolean, nullable=False, default=False),  # there all the same; only a value was refused
    Column("connector_version", String(64), nullable=False),
    Column("run_id", ForeignKey("runs.id"), nullable=False),  # that it was last refused in
    Column("batch", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("retry_at", UtcDateTime, nullable=False),
    Index("ix_exceptions_run", "run_id", "batch"),
)
