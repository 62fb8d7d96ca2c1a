"""Message events in, whatever the way out: Currents at the door, their files, and polling where neither is set."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson

from hub import Connector, Cursor, InboundRequest, MessageEvent, NotVerified, Received
from hub_braze.events import message_events
from hub_braze.kinds import MESSAGE_EVENTS
from hub_braze.settings import CurrentsSettings

_SET_A_TOKEN = "hub connection edit NAME --set currents_tokens=TOKEN, and the same token in Braze's Current."


class Inward(Connector):
    """What both connectors do with what Braze tells."""

    settings: CurrentsSettings
    message_events = MESSAGE_EVENTS

    def verify(self, request: InboundRequest) -> None:
        """One of the tokens of this connection is the bearer token of the request. There is no window: Braze signs
        nothing, retries for days, and repeats are known by their ids."""
        tokens = self.settings.currents_tokens.get_secret_value().split()
        if not tokens:
            raise NotVerified("This connection has no token for Currents.", hint=_SET_A_TOKEN)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        told = given.strip().encode() if scheme.lower() == "bearer" else b""
        known = [hmac.compare_digest(told, token.encode()) for token in tokens]  # all, so that the time tells nothing
        if not any(known):
            raise NotVerified("The bearer token is missing, or is not one of this connection's.", hint=_SET_A_TOKEN)

    def receive(self, request: InboundRequest) -> Received:
        """The events of one batch. Braze's probe is a batch of none."""
        try:
            told = orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"The body is not JSON: {error}") from error
        batch = told.get("events") if isinstance(told, dict) else None
        if not isinstance(batch, list):
            raise ValueError('The body is not a batch of Currents: {"events": [...]}.')  # noqa: TRY004 - the contract
        events, unknown = message_events(batch, external_id_property=self.settings.external_id_property)
        return Received(events=events, unknown=unknown)

    def pull(self, cursor: Cursor) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
        """The files of Currents; with neither a folder nor a token, what the REST API tells of addresses."""
        if self.settings.currents_folder:
            from hub_braze.files import pull

            folder = Path(self.settings.currents_folder).expanduser()
            return pull(folder, cursor, external_id_property=self.settings.external_id_property)
        if self.settings.currents_tokens.get_secret_value():
            return nothing(cursor)
        return self.poll(cursor)

    def poll(self, cursor: Cursor) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
        """What the REST API tells of addresses. As it stands, there is no key to ask with."""
        return nothing(cursor)


async def nothing(cursor: Cursor) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
    """No events: they come in at the door."""
    yield [], cursor
