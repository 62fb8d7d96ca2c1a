"""Run it: `python -m hub_webhook.sandbox --home DIR --port N`."""

from __future__ import annotations

import sys

from hub.testing.sandbox import command
from hub_webhook.sandbox.server import WebhookSandbox

if __name__ == "__main__":
    sys.exit(command(WebhookSandbox, "hub_webhook.sandbox", "The webhook"))
