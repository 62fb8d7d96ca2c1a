"""What the engine keeps for a fleet and for its watchers: how values are mapped, what was verified, who was alerted."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from hub.store.tables import UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add what each part of the engine keeps."""
    _add_alerts()
    _add_verified()
    _add_mapping()
    _add_inbound()


def _add_verified() -> None:
    op.add_column("runs", sa.Column("undoes", sa.BigInteger(), nullable=True))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "verifications",
        sa.Column("id", number, nullable=False),
        sa.Column("sync_id", sa.Integer(), nullable=False),
        sa.Column("audience_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("held_version", sa.BigInteger(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("listed", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("values_read", sa.Boolean(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("decided", sa.JSON(), nullable=False),
        sa.Column("run_id", number, nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["audience_id"], ["audiences.id"], name=op.f("fk_verifications_audience_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_verifications_run_id")),
        sa.ForeignKeyConstraint(["sync_id"], ["syncs.id"], name=op.f("fk_verifications_sync_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_verifications_run", "verifications", ["run_id"], unique=False)
    op.create_index("ix_verifications_sync", "verifications", ["sync_id", "id"], unique=False)


def _add_alerts() -> None:
    op.add_column("runs", sa.Column("latency", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "sync_freshness",
        sa.Column("sync_id", sa.Integer(), nullable=False),
        sa.Column("delivered_to", UtcDateTime(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("slowest_seconds", sa.Float(), nullable=False, server_default="0"),
        sa.Column("latencies", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("within_seconds", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["sync_id"], ["syncs.id"], name=op.f("fk_sync_freshness_sync_id")),
        sa.PrimaryKeyConstraint("sync_id", name=op.f("pk_sync_freshness")),
    )
    op.create_table(
        "alert_channels",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_alert_channels_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_channels")),
    )
    live = sa.text("removed_at IS NULL")
    op.create_index(
        "uq_alert_channels_live",
        "alert_channels",
        ["project_id", "name"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_table(
        "alert_states",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=True),
        sa.Column("sync_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("told", sa.String(8), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("raised", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_alert_states_project_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_alert_states")),
    )
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "alert_messages",
        sa.Column("id", number, nullable=False),
        sa.Column("channel_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(64), nullable=False),
        sa.Column("test", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("tried_at", UtcDateTime(), nullable=True),
        sa.Column("claimed_until", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["alert_channels.id"], name=op.f("fk_alert_messages_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_messages")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alert_messages_state", "alert_messages", ["state", "next_at"], unique=False)
    op.create_index("ix_alert_messages_channel", "alert_messages", ["channel_id", "id"], unique=False)
    op.create_table(
        "alert_mutes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("sync_id", sa.Integer(), nullable=True),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_alert_mutes_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_mutes")),
    )
    op.create_index("ix_alert_mutes_until", "alert_mutes", ["until"], unique=False)


def _add_mapping() -> None:
    op.add_column("connections", sa.Column("match_keys", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("runs", sa.Column("match_keys", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("runs", sa.Column("unusable", sa.JSON(), nullable=False, server_default="{}"))
    for name in ("syncs", "runs"):
        _quote_properties(sa.table(name, sa.column("id", sa.BigInteger), sa.column("mapping", sa.JSON)))


def _add_inbound() -> None:
    def of_a_connection(table: str) -> sa.ForeignKeyConstraint:
        return sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name=op.f(f"fk_{table}_connection_id"))

    op.create_table(
        "doors",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=False, server_default="[]"),
        of_a_connection("doors"),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_doors")),
    )
    op.create_table(
        "origins",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(255), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("named_at", UtcDateTime(), nullable=False),
        sa.Column("former", sa.JSON(), nullable=False, server_default="[]"),
        of_a_connection("origins"),
        sa.PrimaryKeyConstraint("connection_id", "origin", name=op.f("pk_origins")),
    )
    op.create_table(
        "received_cohorts",
        sa.Column("connection_id", sa.Integer(), nullable=False),
        sa.Column("sender_id", sa.String(255), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sessions", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("full_at", UtcDateTime(), nullable=True),
        sa.Column("changed_at", UtcDateTime(), nullable=True),
        sa.Column("paged_at", UtcDateTime(), nullable=True),
        of_a_connection("received_cohorts"),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name=op.f("fk_received_cohorts_cohort_id")),
        sa.PrimaryKeyConstraint("connection_id", "sender_id", name=op.f("pk_received_cohorts")),
    )


def _quote_properties(table: sa.TableClause) -> None:
    """A property whose name has a bar, or begins with a quotation mark, is written as a JSON string from now on."""
    bind = op.get_bind()
    for row in bind.execute(sa.select(table.c.id, table.c.mapping)).all():
        quoted = {target: _quoted(name) for target, name in row.mapping.items()}
        if quoted != row.mapping:
            bind.execute(table.update().where(table.c.id == row.id).values(mapping=quoted))


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False) if "|" in name or name[:1] == '"' or name != name.strip() else name
