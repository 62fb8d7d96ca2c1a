"""Ingestion and identity: tokens, leases, who an id belongs to, how far the intake log is applied, what was refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.store.tables import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables of ingestion and identity."""
    op.create_table(
        "intake_progress",
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_intake_progress")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "identities",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=300), nullable=False),
        sa.Column("person", sa.String(length=300), nullable=False),
        sa.Column("linked_at", sa.BigInteger(), nullable=False),
        sa.Column("known_from", UtcDateTime(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_identities_project_id")),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_identities")),
    )
    op.create_index("ix_identities_person", "identities", ["project_id", "person"], unique=False)
    op.create_index("ix_identities_seq", "identities", ["project_id", "seq"], unique=False)
    op.create_table(
        "identities_closed",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=300), nullable=False),
        sa.Column("person", sa.String(length=300), nullable=False),
        sa.Column("known_from", UtcDateTime(), nullable=False),
        sa.Column("known_to", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_identities_closed_project_id")),
        sa.PrimaryKeyConstraint("project_id", "seq", name=op.f("pk_identities_closed")),
    )
    op.create_table(
        "identity_links",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("one", sa.String(length=300), nullable=False),
        sa.Column("other", sa.String(length=300), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_identity_links_project_id")),
        sa.PrimaryKeyConstraint("project_id", "kind", "one", "other", name=op.f("pk_identity_links")),
    )
    op.create_index("ix_identity_links_one", "identity_links", ["project_id", "one", "failed", "time"], unique=False)
    op.create_index(
        "ix_identity_links_other", "identity_links", ["project_id", "other", "failed", "time"], unique=False
    )
    op.create_table(
        "rejection_samples",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_rejection_samples_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejection_samples")),
    )
    op.create_index(
        "ix_rejection_samples_reason", "rejection_samples", ["project_id", "source", "reason", "id"], unique=False
    )
    op.create_table(
        "rejections",
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_rejections_project_id")),
        sa.PrimaryKeyConstraint("project_id", "source", "reason", name=op.f("pk_rejections")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_tokens_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_index("ix_tokens_project", "tokens", ["project_id", "kind", "name"], unique=False)
