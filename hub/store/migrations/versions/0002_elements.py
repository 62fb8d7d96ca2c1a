"""Rejected elements of JSON arrays: several may begin on one line."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the line that a rejected element begins on."""
    op.add_column("import_rejects", sa.Column("begins_on", sa.BigInteger(), nullable=True))
