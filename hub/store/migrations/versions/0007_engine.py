"""What the sync engine keeps beside runs: what guards say, when a sync is due, and what was sent and answered."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add what each part of the engine keeps."""
