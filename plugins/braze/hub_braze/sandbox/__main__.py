"""Run it: `python -m hub_braze.sandbox --home DIR --port N`."""

from __future__ import annotations

import sys

from hub.testing.sandbox import command
from hub_braze.sandbox.server import LAG, BrazeSandbox

SECONDS = {"lag": (LAG, "seconds until what was accepted is applied")}

if __name__ == "__main__":
    sys.exit(command(BrazeSandbox, "hub_braze.sandbox", "Braze", seconds=SECONDS))
