"""Checks of what comes in at the door: only what the partner signed, within its window, and decoded alike each time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hub.connectors.contract import Ability, Connector
from hub.connectors.incoming import InboundRequest, Received
from hub.errors import HubError, NotVerified
from hub.testing.conformance.bench import Bench, blame, broke
from hub.testing.conformance.checks import check
from hub.testing.conformance.events import sound_events

_PROOF = re.compile("auth|cookie|signature|secret|token|password|api-?_?key|^key$")
_CONSTANT = "Compare a signature over the raw bytes of the body, in constant time, and raise NotVerified."


@check(Ability.RECEIVE, asks=("signed",), silent=True)
async def door_takes_the_partners(bench: Bench) -> None:
    """A genuine request is taken, and decoded into the same things each time."""
    async with bench.opened() as connector:
        request = _signed(bench, connector, datetime.now(UTC))
        try:
            connector.verify(request)
        except HubError as error:
            blame(
                f"verify refused a genuine request: {error.message}",
                "Look at the subject's `signed` if the signature is right by the partner's documentation.",
            )
        first, second = _received(connector, request), _received(connector, _kept(request))
    if not (first.events or first.pages or first.unknown):
        blame("receive found nothing in a genuine request.", "Decode it; what has no name is `unknown`, and not lost.")
    sound_events(bench, first.events)
    if [event.id for event in first.events] != [event.id for event in second.events]:
        blame(
            "receive gave the same request other ids when it was decoded again.",
            "An id is the partner's own, or made of the body: a request is decoded again whenever it is replayed.",
        )


@check(Ability.RECEIVE, asks=("signed",), silent=True)
async def door_refuses_a_changed_byte(bench: Bench) -> None:
    """A request with one byte changed is refused."""
    async with bench.opened() as connector:
        request = _signed(bench, connector, datetime.now(UTC))
        for place in {0, len(request.body) // 2, len(request.body) - 1}:
            body = bytearray(request.body)
            body[place] ^= 1
            _refused(bench, connector, replace(request, body=bytes(body)), f"with byte {place} changed", _CONSTANT)


@check(Ability.RECEIVE, asks=("signed",), silent=True)
async def door_refuses_the_unsigned(bench: Bench) -> None:
    """A request without what proves it is refused."""
    async with bench.opened() as connector:
        request = _signed(bench, connector, datetime.now(UTC))
        bare: Mapping[str, str] = {name: text for name, text in request.headers.items() if name.startswith("content-")}
        _refused(bench, connector, replace(request, headers=bare, query={}), "without any signature", _CONSTANT)


@check(Ability.RECEIVE, asks=("signed", "wrong_keys"), silent=True)
async def door_refuses_a_wrong_key(bench: Bench) -> None:
    """A request that was signed with another key is refused."""
    async with bench.opened() as connector:
        request = _signed(bench, connector, datetime.now(UTC))
    for wrong in bench.subject.wrong_keys:
        async with bench.opened(bench.settings(**wrong)) as other:
            what = f"signed with a key that is not this connection's ({', '.join(wrong)})"
            _refused(bench, other, request, what, _CONSTANT)


@check(Ability.RECEIVE, asks=("signed", "window"), silent=True)
async def door_refuses_outside_the_window(bench: Bench) -> None:
    """A request that was signed too long ago, or in the future, is refused."""
    assert bench.subject.window is not None
    now = datetime.now(UTC)
    beyond = bench.subject.window + timedelta(minutes=1)
    async with bench.opened() as connector:
        for signed_at, what in ((now - beyond, "before"), (now + beyond, "after")):
            request = replace(_signed(bench, connector, signed_at), received_at=now)
            _refused(
                bench,
                connector,
                request,
                f"signed {bench.subject.window + timedelta(minutes=1)} {what} it came",
                "The signature covers a timestamp: refuse what is further from received_at than the window.",
            )


def _signed(bench: Bench, connector: Connector, at: datetime) -> InboundRequest:
    request: InboundRequest = bench.ask("signed", connector.settings, at)
    return request


def _kept(request: InboundRequest) -> InboundRequest:
    """The request as the hub has it when it is decoded later: what holds secrets or signatures is gone."""

    def without(named: Mapping[str, str]) -> dict[str, str]:
        return {name: text for name, text in named.items() if not _PROOF.search(name)}

    return replace(request, headers=without(request.headers), query=without(request.query), secret_path=False)


def _received(connector: Connector, request: InboundRequest) -> Received:
    try:
        return connector.receive(request)
    except Exception as error:  # noqa: BLE001 - the boundary to foreign code: whatever it raises is its fault
        broke("receive of a genuine request", error)


def _refused(bench: Bench, connector: Connector, request: InboundRequest, what: str, do: str) -> None:
    try:
        connector.verify(request)
    except NotVerified as error:
        bench.hear(error)
        secrets = bench.secrets(connector.settings)
        if found := next((name for secret, name in secrets.items() if secret in f"{error} {error.hint}"), ""):
            blame(f"NotVerified tells the secret {found}.", "Say what is wrong without it.")
        return
    except Exception as error:  # noqa: BLE001 - as above
        broke(f"verify of a request {what}", error)
    blame(f"verify took a request {what}.", do)
