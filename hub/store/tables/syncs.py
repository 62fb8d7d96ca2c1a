"""Syncs, their runs, and what of them was refused."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from hub.store.tables.base import Id, UtcDateTime, free_after_removal, metadata

syncs = Table(
    "syncs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("cohort_id", ForeignKey("cohorts.id"), nullable=False),
    Column("connection_id", ForeignKey("connections.id"), nullable=False),
    Column("audience_name", String(255), nullable=False),
    Column("mapping", JSON, nullable=False),  # target name -> field, as of hub.sync.mapping
    Column("every_seconds", BigInteger),  # one of every_seconds, cron and after_sync_id, or none: one-time
    Column("cron", String(255)),  # five fields
    Column("cron_zone", String(64)),  # null: the project's
    Column("after_sync_id", Integer),  # whose runs this one follows
    Column("after_run_id", BigInteger),  # the newest of them that it has followed
    Column("paused_at", UtcDateTime),
    Column("state", String(16), nullable=False),  # active, done, stopped
    Column("message", Text, nullable=False, default=""),
    Column("next_run_at", UtcDateTime),
    Column("missed", Integer, nullable=False, default=0),  # ticks that nobody was there for
    Column("guards", JSON, nullable=False, default=dict, server_default="{}"),  # thresholds that a person has set
    Column("leavers", String(8), nullable=False, default="remove", server_default="remove"),  # keep, clear
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),  # by a person; the row stays, because the ledger refers to it
    free_after_removal("syncs"),
    Index("ix_syncs_due", "state", "next_run_at"),
    Index("ix_syncs_after", "after_sync_id"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sync_id", ForeignKey("syncs.id"), nullable=False),
    Column("audience_id", ForeignKey("audiences.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("trigger", String(16), nullable=False),  # schedule, manual, undo, verify
    Column("mapping", JSON, nullable=False),  # of the sync, when the run began
    Column("match_keys", JSON, nullable=False, default=list, server_default="[]"),  # of the connection, as evaluated
    Column("unusable", JSON, nullable=False, default=dict, server_default="{}"),  # target -> reason -> values not sent
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
    Column("rests_on", JSON, nullable=False, default=dict, server_default="{}"),  # cohort -> version, as evaluated
    Column("leavers", String(8), nullable=False, default="remove", server_default="remove"),  # of the sync, as planned
    Column("held_before", BigInteger, nullable=False, default=0, server_default="0"),  # members there, when planned
    Column("held_version", BigInteger, nullable=False, default=0, server_default="0"),  # of the held set, when planned
    Column("guards", JSON, nullable=False, default=list, server_default="[]"),  # why it was held, and what of it
    Column("thresholds", JSON, nullable=False, default=dict, server_default="{}"),  # of the sync, as judged by
    Column("held_at", UtcDateTime),  # when it began to wait for a person
    Column("decision", String(16), nullable=False, default="", server_default=""),  # approved, refused, replaced
    Column("decided_by", Text, nullable=False, default="", server_default=""),
    Column("decision_reason", Text, nullable=False, default="", server_default=""),
    Column("decided_at", UtcDateTime),
    Column("timings", JSON, nullable=False),  # phase -> seconds
    Column("latency", JSON, nullable=False, default=dict, server_default="{}"),  # how long changes took to be answered
    Column("message", Text, nullable=False, default=""),
    Column("hint", Text, nullable=False, default=""),
    Column("undoes", BigInteger),  # the run that this one takes back
    Index("ix_runs_sync", "sync_id", "id"),
    Index("ix_runs_state", "state"),
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
