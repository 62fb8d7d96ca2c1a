"""What the channel reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from hub import ConnectionRef, Member, SyncRun
from hub_slack_digest.connector import SlackDigestSettings, message
from hub_slack_digest.failures import VARIABLE, tell
from hub_slack_digest.sandbox import SlackDigestSandbox

RUN = SyncRun(7, "loyal-news", "loyal", ConnectionRef("p", "news", "mailchimp"), "a", "schedule", "failed",
              datetime.now(UTC), None, owed=3, message="Mailchimp is away.")  # fmt: skip


def test_a_message_names_the_first_and_counts_the_others():
    people = [Member("ann@example.com"), Member("<!channel>"), Member("cem")]

    assert message("entered", "hub: loyal", people, 2) == (
        "*3 entered* hub: loyal\n• ann@example.com\n• &lt;!channel&gt;\nand 1 more"
    )
    assert message("left", "hub: loyal", people, 0) == "*3 left* hub: loyal"


@pytest.mark.parametrize("url", ["", "hooks.slack.com/services/x", "https://hooks.example.com/x", "ftp://a/services/b"])
def test_what_is_no_incoming_webhook_is_refused_without_being_shown(url):
    with pytest.raises(ValidationError) as refused:
        SlackDigestSettings(webhook_url=url)

    assert not url or url not in str(refused.value)


def test_a_run_that_failed_is_told_and_no_other(hub_sandbox, monkeypatch):
    partner = hub_sandbox(SlackDigestSandbox)
    tell(RUN)  # no channel is named
    monkeypatch.setenv(VARIABLE, partner.settings["webhook_url"])
    tell(replace(RUN, state="done"))
    tell(RUN)

    [line] = partner.admin.get("/messages")["messages"]
    assert line == ":warning: loyal-news (mailchimp) failed, 3 owed: Mailchimp is away."

    monkeypatch.setenv(VARIABLE, partner.settings["webhook_url"] + "x")
    with pytest.raises(RuntimeError) as failed:
        tell(RUN)
    assert partner.url not in str(failed.value)
