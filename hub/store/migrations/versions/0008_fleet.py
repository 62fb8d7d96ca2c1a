"""What the engine keeps for a fleet and for its watchers: how values are mapped, what was verified, who was alerted."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add what each part of the engine keeps."""
