"""How fresh what syncs keep is; what is wrong and who was told of it."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from hub.store.tables.base import Id, UtcDateTime, free_after_removal, metadata

sync_freshness = Table(
    "sync_freshness",
    metadata,
    Column("sync_id", ForeignKey("syncs.id"), primary_key=True),
    Column("delivered_to", UtcDateTime),  # every change up to then was acknowledged; null: no run has ended well
    Column("run_id", BigInteger),  # the run that moved it last
    Column("slowest_seconds", Float, nullable=False, default=0, server_default="0"),  # of the last runs that ended well
    Column("latencies", JSON, nullable=False, default=list, server_default="[]"),  # of the last runs that had any
    Column("within_seconds", BigInteger),  # how old a change may become, if a person has said so
)

alert_channels = Table(
    "alert_channels",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("kind", String(16), nullable=False),  # webhook, slack, command
    Column("level", String(8), nullable=False),  # the least that is sent: warning, critical
    Column("settings", JSON, nullable=False),  # without secrets
    Column("secrets", LargeBinary, nullable=False),  # encrypted JSON object
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),
    free_after_removal("alert_channels"),
)

alert_states = Table(
    "alert_states",
    metadata,
    Column("key", String(255), primary_key=True),  # kind, and the id of what it is about
    Column("host", String(255), nullable=False, default=""),  # who alone can see it; empty: everybody
    Column("project_id", ForeignKey("projects.id")),  # null: of the whole hub
    Column("sync_id", Integer),  # whose muting it heeds
    Column("kind", String(32), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("level", String(8), nullable=False),  # warning, critical; empty: it is well again
    Column("told", String(8), nullable=False, default=""),  # the level that was told last; empty: that it is well
    Column("said", Text, nullable=False),
    Column("hint", Text, nullable=False, default=""),
    Column("figures", JSON, nullable=False),
    Column("since", UtcDateTime, nullable=False),  # when it was first seen so
    Column("changed_at", UtcDateTime, nullable=False),
    Column("raised", JSON, nullable=False),  # the instants of the last hour at which it came
)

alert_messages = Table(
    "alert_messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel_id", ForeignKey("alert_channels.id"), nullable=False),
    Column("message_id", String(64), nullable=False),  # the same on every attempt
    Column("test", Integer, nullable=False, default=0),
    Column("body", Text, nullable=False),  # the JSON that is signed
    Column("state", String(16), nullable=False),  # waiting, sent, given up
    Column("tries", Integer, nullable=False, default=0),
    Column("answer", Text, nullable=False, default=""),  # of the last attempt
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("tried_at", UtcDateTime),  # when the last attempt ended
    Column("claimed_until", UtcDateTime),  # somebody is sending it
    Column("ended_at", UtcDateTime),
    Index("ix_alert_messages_state", "state", "next_at"),
    Index("ix_alert_messages_channel", "channel_id", "id"),
    sqlite_autoincrement=True,
)

alert_mutes = Table(
    "alert_mutes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("sync_id", Integer),  # null: everything of the project, and of the hub
    Column("until", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_alert_mutes_until", "until"),
)
