"""Run it: `python -m hub_customerio.sandbox --home DIR --port N`."""

from __future__ import annotations

import sys

from hub.testing.sandbox import command
from hub_customerio.sandbox.server import LAG, CustomerIOSandbox

SECONDS = {"lag": (LAG, "seconds until a change of a segment shows")}

if __name__ == "__main__":
    sys.exit(command(CustomerIOSandbox, "hub_customerio.sandbox", "Customer.io", seconds=SECONDS))
