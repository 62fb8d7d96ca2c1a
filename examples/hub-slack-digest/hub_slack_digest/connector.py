"""Slack: an incoming webhook is told who entered a cohort and who left it.

A channel holds nobody: it reads. So nothing can be listed or taken back, and a message whose answer was lost may stand
there twice. Sources: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/ for the request, and
https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks for the answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
from pydantic import Field, SecretStr, field_validator

from hub import (
    Ability,
    Account,
    Audience,
    BatchRefused,
    Connector,
    ConnectorSettings,
    CredentialRefused,
    Limits,
    Matching,
    MatchKey,
    Member,
    Outcome,
    PartnerClient,
    PartnerError,
    PartnerUnavailable,
    Rate,
    SettingsWrong,
    Wait,
    retry_after,
)

NO_TEXT = "no_text"
_GATEWAYS = {502, 504}


class SlackDigestSettings(ConnectorSettings):
    """What an operator chooses for one channel."""

    webhook_url: SecretStr = Field(
        title="Incoming webhook",
        description="https://hooks.slack.com/services/... of the channel, from Slack's page of the app. Who has it can "
        "write there, so it is kept secret.",
    )
    names: int = Field(
        10, ge=0, le=100, title="Names", description="How many people a message names; the others are counted."
    )

    @field_validator("webhook_url")
    @classmethod
    def _is_slacks(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value().strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.startswith("/services/"):
            raise ValueError("it has the form https://hooks.slack.com/services/T.../B.../...")
        return SecretStr(url.get_secret_value().strip())


class SlackDigest(Connector):
    """One channel."""

    name = "slack-digest"
    label = "Slack digest"
    docs_url = "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/"
    Settings = SlackDigestSettings
    settings: SlackDigestSettings
    matching = Matching(keys=(MatchKey("$email", normalize="email"), MatchKey("distinct_id")))
    limits = Limits(
        batch_size=100,  # a message of more names is read by nobody
        concurrency=1,
        rate=Rate(1, timedelta(seconds=1)),
        default_interval=timedelta(days=1),
        source="https://docs.slack.dev/apis/web-api/rate-limits/",
    )
    abilities = frozenset({Ability.REMOVE})

    def __init__(self, settings: SlackDigestSettings, http: PartnerClient) -> None:
        super().__init__(settings, http)
        self._path = urlsplit(settings.webhook_url.get_secret_value()).path
        http.explain = explain

    @classmethod
    def base_url(cls, settings: SlackDigestSettings) -> str:
        """The webhook's host; the rest of its address is secret."""
        parts = urlsplit(settings.webhook_url.get_secret_value())
        return f"{parts.scheme}://{parts.netloc}"

    async def check(self) -> Account:
        """Send no text: a webhook that works refuses it, and writes nothing."""
        try:
            await self._post("")
        except BatchRefused as error:
            if NO_TEXT not in error.message:
                raise
        place = hashlib.blake2b(self._path.encode(), digest_size=8).hexdigest()
        return Account(id=place, label=f"a channel of {urlsplit(self.http.base_url).hostname}")

    async def open_audience(self, name: str) -> Audience:
        """Nothing is made: messages name the cohort."""
        return Audience(ref={"name": name}, name=name)

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Tell who entered."""
        await self._post(message("entered", audience.name, members, self.settings.names))
        return Outcome()

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Tell who left."""
        await self._post(message("left", audience.name, members, self.settings.names))
        return Outcome()

    async def _post(self, text: str) -> None:
        answer = await self.http.request("POST", self._path, body={"text": text})
        if answer.text.strip() != "ok":
            raise PartnerUnavailable("Slack answered, but not with its ok.", answer_lost=True)


def message(verb: str, cohort: str, members: Sequence[Member], names: int) -> str:
    """One message, in Slack's markup: `*3 entered* hub: loyal`, and a line for each of the first `names`."""
    lines = [f"*{len(members)} {verb}* {_plain(cohort)}", *(f"• {_plain(member.key)}" for member in members[:names])]
    if names and len(members) > names:
        lines.append(f"and {len(members) - names} more")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text as it stands: these three letters are Slack's control characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def explain(answer: httpx.Response) -> PartnerError | None:
    """What Slack's answer means. Never the address in words: it is the secret."""
    status = answer.status_code
    said = f"Slack answered {status}."
    if status in (401, 403, 404):
        return CredentialRefused(said, hint="Make the channel's webhook anew, and give it with `hub connection edit`.")
    if status == 429:
        return Wait(said, seconds=retry_after(answer.headers.get("Retry-After")))
    if status >= 500:
        return PartnerUnavailable(said, answer_lost=status in _GATEWAYS)
    if status == 400:
        return BatchRefused(f"{said} It is {NO_TEXT}." if answer.text.strip() == NO_TEXT else said)
    return SettingsWrong(said, hint="Look whether the channel is archived, and at the webhook's address.")
