"""A line in a channel for each run that failed, whichever partner it was to."""

from __future__ import annotations

import os

import httpx

from hub import SyncRun

VARIABLE = "SLACK_DIGEST_FAILURES"
"""The environment variable that names the channel's webhook; without it nothing is told."""
SECONDS = 5.0


def tell(run: SyncRun) -> None:
    """Post a line when the run failed. What goes wrong is raised: the hub logs it, and the run's result stays."""
    url = os.environ.get(VARIABLE, "")
    if url and run.state == "failed":
        line = f":warning: {run.sync} ({run.connection.connector}) failed, {run.owed} owed: {run.message}"
        try:
            httpx.post(url, json={"text": line}, timeout=SECONDS).raise_for_status()
        except httpx.HTTPError as error:
            # httpx names the address, which is the secret
            raise RuntimeError(f"Slack was not told of run {run.id}: {type(error).__name__}") from None
