"""Cohorts, connections and syncs that were removed: the ledger goes on telling of them, and their names are free."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.tables import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Let a name belong to one row that is not removed, and to any number of rows that are."""
    live = sa.text("removed_at IS NULL")
    for table in ("cohorts", "connections", "syncs"):
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("removed_at", UtcDateTime(), nullable=True))
            batch.drop_constraint(op.f(f"uq_{table}_project_id"), type_="unique")
        op.create_index(
            op.f(f"uq_{table}_live"),
            table,
            ["project_id", "name"],
            unique=True,
            sqlite_where=live,
            postgresql_where=live,
        )
