"""The Slack connector, as the conformance suite is told of it."""

from __future__ import annotations

from collections.abc import Iterable

from hub import Audience
from hub.testing.conformance import Subject
from hub.testing.sandbox import Running
from hub_slack_digest.connector import SlackDigest
from hub_slack_digest.sandbox import SlackDigestSandbox


def _held(partner: Running, audience: Audience) -> Iterable[str]:
    return list(partner.admin.get("/messages")["cohorts"].get(audience.name, []))


class _Elsewhere(SlackDigestSandbox):
    """The sandbox, whose address is a setting apart, so that another webhook can be tried on it."""

    def settings(self, url: str) -> dict[str, str]:
        """The webhook as Slack writes it, and where this one listens."""
        return {"webhook_url": super().settings("https://hooks.slack.com")["webhook_url"], "base_url": url}


SLACK_DIGEST = Subject(
    connector=SlackDigest,
    sandbox=_Elsewhere,
    bad_credentials=[{"webhook_url": "https://hooks.slack.com/services/T0SANDBOX/B0SANDBOX/of-nobody-000000"}],
    settings={"names": 100},  # so that everybody is named, and the channel can be asked who is in
    held=_held,
)
