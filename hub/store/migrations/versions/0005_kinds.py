"""Kinds of cohorts: lists of members with their changes, and warehouses that are asked for members."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.tables import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Tell the kind of each cohort, and make the tables of members and warehouses."""
    with op.batch_alter_table("cohorts") as batch:
        batch.add_column(sa.Column("kind", sa.String(16), nullable=False, server_default="dynamic"))
    op.create_table(
        "member_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.String(255), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.Column("taken_out", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name=op.f("fk_member_changes_cohort_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_member_changes_cohort", "member_changes", ["cohort_id", "applied_at"])
    op.create_index("ix_member_changes_session", "member_changes", ["cohort_id", "session"])
    op.create_table(
        "member_pages",
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.String(255), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name=op.f("fk_member_pages_cohort_id")),
        sa.PrimaryKeyConstraint("cohort_id", "session", "page", name=op.f("pk_member_pages")),
    )
    op.create_table(
        "warehouses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_warehouses_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warehouses")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_warehouses_project_id")),
    )
