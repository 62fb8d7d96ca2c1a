"""Bad weather at a partner: every kind of fault, each for a few of the requests, drawn by a seed."""

from __future__ import annotations

import random
from typing import Any

from checks.storm.partners import Partner

LATENCY = 0.15
"""Seconds that each answer takes: so long that a kill falls between a request and its answer often enough."""

_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "answer_lost", "probability": 0.04},
    {"kind": "half_body", "probability": 0.03},
    {"kind": "nonsense", "probability": 0.03},
    {"kind": "nonsense", "probability": 0.02, "body": "<html>Log in</html>"},
    {"kind": "cut_before_commit", "probability": 0.03},
    {"kind": "status", "status": 500, "probability": 0.03},
    {"kind": "status", "status": 502, "probability": 0.03, "after_commit": True},
    {"kind": "status", "status": 503, "probability": 0.03, "retry_after": 1},
    {"kind": "status", "status": 429, "probability": 0.03},
    {"kind": "status", "status": 429, "probability": 0.03, "retry_after": 1},
)


def worsen(partner: Partner, chance: random.Random) -> None:
    """Let the weather be bad until it is mended."""
    partner.admin.clear_faults()
    partner.admin.fault(kind="latency", seconds=LATENCY, count=None)
    for fault in (*_FAULTS, *partner.once):
        partner.admin.fault(count=None, seed=chance.randrange(2**31), **fault)


def mend(partner: Partner) -> None:
    """Let every request be answered well, and fast."""
    partner.admin.clear_faults()
