"""Run it: `python -m hub_mailchimp.sandbox --home DIR --port N`."""

from __future__ import annotations

import sys

from hub.testing.sandbox import command
from hub_mailchimp.sandbox.server import BATCH_SECONDS, STATS_LAG, MailchimpSandbox

SECONDS = {
    "stats_lag": (STATS_LAG, "seconds that statistics may be old"),
    "batch_seconds": (BATCH_SECONDS, "seconds that a batch is worked on"),
}

if __name__ == "__main__":
    sys.exit(command(MailchimpSandbox, "hub_mailchimp.sandbox", "Mailchimp", seconds=SECONDS))
