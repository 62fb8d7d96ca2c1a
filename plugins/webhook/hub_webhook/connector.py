"""The webhook connector: tells an address of the user's own who enters and who leaves a cohort, and takes in what
others push: cohorts, and message events.

It speaks the custom-webhook contract (https://docs.mixpanel.com/docs/cohort-sync/webhooks), so that receivers written
for that one work, and signs every request by Standard Webhooks.
"""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from hub import (
    Ability,
    Account,
    Audience,
    Connector,
    InboundRequest,
    Limits,
    Matching,
    MatchKey,
    Member,
    Outcome,
    Page,
    PartnerClient,
    Received,
    Reply,
    SettingsWrong,
    signature_headers,
    signing_secrets,
)
from hub_webhook import incoming
from hub_webhook.answers import explain, read
from hub_webhook.envelope import MEMBERS_A_PAGE, TEST_COHORT, Action, cohort_id, envelope, message_id, row
from hub_webhook.events import MESSAGE_EVENTS
from hub_webhook.settings import WebhookSettings

_NOWHERE = "https://receives-only.invalid"  # RFC 2606: no such name is ever given
_HERE = {"localhost", "127.0.0.1", "::1"}


class Webhook(Connector):
    """One receiver. A cohort there is known by an id that follows from its name."""

    name = "webhook"
    label = "Webhook"
    docs_url = "https://docs.mixpanel.com/docs/cohort-sync/webhooks"
    Settings = WebhookSettings
    settings: WebhookSettings
    matching = Matching(keys=(MatchKey("distinct_id"),))
    limits = Limits(
        batch_size=MEMBERS_A_PAGE,
        concurrency=1,  # the contract promises pages in order, adds before removes
        timeout=timedelta(seconds=30),
        attempts=6,  # five retries, within a minute by the hub's back-off
        default_interval=timedelta(minutes=30),
        source=docs_url,
    )
    abilities = frozenset({Ability.REMOVE, Ability.CLOSE, Ability.RECEIVE})
    message_events = MESSAGE_EVENTS

    def __init__(self, settings: WebhookSettings, http: PartnerClient) -> None:
        super().__init__(settings, http)
        self._signed_by = signing_secrets(settings.signing_secret.get_secret_value())
        self._secrets = settings.secrets()
        # the client drops a slash at the end of an address, and receivers tell the two apart
        self._path = settings.base_url[len(settings.base_url.rstrip("/")) :]
        http.headers.update(settings.own_headers())
        if settings.username:
            pair = f"{settings.username}:{settings.password.get_secret_value()}"
            http.headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        http.explain = partial(explain, secrets=self._secrets)

    @classmethod
    def base_url(cls, settings: WebhookSettings) -> str:
        """The receiver's address."""
        return settings.base_url or _NOWHERE

    async def check(self) -> Account:
        """Send a test: that nobody leaves the cohort 0, which no sync writes. Nothing changes at the receiver."""
        if not self.settings.base_url:
            own = hashlib.blake2b(self._signed_by[-1].encode(), digest_size=12).hexdigest()
            return Account(id=f"receives:{own}", label="receives only")
        audience = Audience({"cohort": TEST_COHORT}, "Test of the connection")
        await self._send("remove_members", audience, [], _alone())
        address = urlsplit(self.settings.base_url)
        warning = ""
        if address.scheme == "http" and address.hostname not in _HERE:
            warning = "The address begins with http: everybody on the way can read who is in a cohort. Use https."
        return Account(id=self._account_id(), label=f"{address.netloc}{address.path}", warning=warning)

    async def open_audience(self, name: str) -> Audience:
        """The cohort of that name. Nothing is sent: a receiver makes a cohort when its first members come."""
        if not self.settings.base_url:
            raise SettingsWrong(
                "This connection only receives: it has no address that a cohort could be sent to.",
                hint="Give it one with `hub connection edit NAME --set base_url=...`.",
            )
        return Audience({"cohort": cohort_id(name)}, name)

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Send one page of `add_members`, as a session of its own."""
        return await self.add_page(audience, members, _alone())

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Send one page of `remove_members`, as a session of its own."""
        return await self.remove_page(audience, members, _alone())

    async def add_page(self, audience: Audience, members: Sequence[Member], page: Page) -> Outcome:
        """Send one page of `add_members`."""
        return await self._send("add_members", audience, members, page)

    async def remove_page(self, audience: Audience, members: Sequence[Member], page: Page) -> Outcome:
        """Send one page of `remove_members`."""
        return await self._send("remove_members", audience, members, page)

    async def close_audience(self, audience: Audience) -> None:
        """Send the whole cohort anew with `members`: nobody. The contract knows no way to delete one."""
        await self._send("members", audience, [], _alone())

    def verify(self, request: InboundRequest) -> None:
        """By signature, Basic authentication or the secret address; see `hub_webhook.incoming`."""
        incoming.verify(request, self.settings)

    def reply(self, request: InboundRequest) -> Reply:
        """The contract's answer."""
        return incoming.reply(request)

    def receive(self, request: InboundRequest) -> Received:
        """Pages of cohorts, and message events."""
        return incoming.received(request)

    async def _send(self, action: Action, audience: Audience, members: Sequence[Member], page: Page) -> Outcome:
        body = envelope(
            action,
            [row(member) for member in members],
            project=self.settings.project_id,
            cohort=str(audience.ref["cohort"]),
            name=audience.name,
            page=page,
        )
        message = message_id(body)
        headers = signature_headers(self._signed_by, message_id=message, at=datetime.now(UTC), body=body)
        headers["Idempotency-Key"] = message
        response = await self.http.request("POST", self._path, body=body, headers=headers)
        read(response, action, secrets=self._secrets)
        return Outcome(request_id=message)

    def _account_id(self) -> str:
        place = f"{self.settings.base_url} {self.settings.project_id}"
        return hashlib.blake2b(place.encode(), digest_size=12).hexdigest()


def _alone() -> Page:
    return Page(str(uuid.uuid4()))
