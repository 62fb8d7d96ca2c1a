"""What began a run. Runs that are not their sync's own, though they are of it, stand aside: guards learn nothing from
them, nobody follows them, and a sync is no fresher for them."""

from __future__ import annotations

from enum import StrEnum


class Trigger(StrEnum):
    """What began a run."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    UNDO = "undo"
    """It takes another run back."""
    VERIFY = "verify"
    """It sends nothing: it writes down what was decided about the findings of a verification."""


ASIDE = (Trigger.UNDO.value, Trigger.VERIFY.value)
"""The triggers of runs that are not what their sync does by itself."""
