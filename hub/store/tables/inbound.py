"""What is known of what partners send: their doors, the campaigns that they named, the cohorts that they push."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, LargeBinary, String, Table, Text

from hub.store.tables.base import UtcDateTime, metadata

doors = Table(
    "doors",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("token", LargeBinary, nullable=False),  # encrypted JSON object: the secret part of the address
    Column("left_out", JSON, nullable=False, default=list, server_default="[]"),  # kinds that are not taken in
)

origins = Table(
    "origins",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("origin", String(255), primary_key=True),  # the partner's id of a campaign
    Column("name", Text, nullable=False),  # as the newest event tells it
    Column("named_at", UtcDateTime, nullable=False),  # the time of that event
    Column("former", JSON, nullable=False, default=list, server_default="[]"),  # {name, until}, the oldest first
)

received_cohorts = Table(
    "received_cohorts",
    metadata,
    Column("connection_id", ForeignKey("connections.id"), primary_key=True),
    Column("sender_id", String(255), primary_key=True),
    Column("cohort_id", ForeignKey("cohorts.id"), nullable=False),
    Column("name", Text, nullable=False),  # the sender's
    Column("sessions", JSON, nullable=False, default=dict, server_default="{}"),  # session -> when its first page came
    Column("full_at", UtcDateTime),  # when the first page of the last full copy came
    Column("changed_at", UtcDateTime),  # when the first page of the newest session came that added or removed
    Column("paged_at", UtcDateTime),  # when the last page came
)
