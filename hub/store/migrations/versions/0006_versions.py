"""The history of cohorts' definitions: who changed what, when and why. What is there begins as its first version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.tables import UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table of versions, and write down what each cohort is now."""
    op.create_table(
        "cohort_versions",
        sa.Column("cohort_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("change", sa.String(16), nullable=False),
        sa.Column("restored", sa.Integer(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["cohort_id"], ["cohorts.id"], name=op.f("fk_cohort_versions_cohort_id")),
        sa.PrimaryKeyConstraint("cohort_id", "version", name=op.f("pk_cohort_versions")),
    )
    op.execute(
        "INSERT INTO cohort_versions (cohort_id, version, change, description, definition, actor, reason, at) "
        "SELECT id, version, 'made', description, definition, '', '', updated_at FROM cohorts"
    )
