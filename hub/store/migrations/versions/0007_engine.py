"""What the sync engine keeps beside runs: what guards say, when a sync is due, and what was sent and answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.tables import UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add what each part of the engine keeps."""
    _add_paces()
    _add_guards()
    _add_schedules()


def _add_schedules() -> None:
    op.add_column("syncs", sa.Column("cron", sa.String(255), nullable=True))
    op.add_column("syncs", sa.Column("cron_zone", sa.String(64), nullable=True))
    op.add_column("syncs", sa.Column("after_sync_id", sa.Integer(), nullable=True))
    op.add_column("syncs", sa.Column("after_run_id", sa.BigInteger(), nullable=True))
    op.add_column("syncs", sa.Column("paused_at", UtcDateTime(), nullable=True))
    op.create_index("ix_syncs_after", "syncs", ["after_sync_id"], unique=False)
    op.create_index("ix_runs_state", "runs", ["state"], unique=False)


def _add_guards() -> None:
    op.add_column("syncs", sa.Column("guards", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("syncs", sa.Column("leavers", sa.String(8), nullable=False, server_default="remove"))
    for column in (
        sa.Column("rests_on", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("leavers", sa.String(8), nullable=False, server_default="remove"),
        sa.Column("held_before", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("held_version", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("guards", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("thresholds", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("held_at", UtcDateTime(), nullable=True),
        sa.Column("decision", sa.String(16), nullable=False, server_default=""),
        sa.Column("decided_by", sa.Text(), nullable=False, server_default=""),
        sa.Column("decision_reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
    ):
        op.add_column("runs", column)


def _add_paces() -> None:
    op.create_table(
        "account_paces",
        sa.Column("account", sa.String(512), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_paces")),
    )
    op.create_table(
        "account_shares",
        sa.Column("account", sa.String(512), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("wants", sa.Integer(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account", "owner", name=op.f("pk_account_shares")),
    )
