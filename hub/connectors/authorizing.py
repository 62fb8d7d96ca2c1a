"""Connecting an account by OAuth 2, the authorization-code flow (RFC 6749, 4.1), with an answer that comes to this
machine (RFC 8252, 7.3): the address to open, the answer, the token, and the settings that follow."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import orjson

from hub.connectors.addresses import AddressGuard
from hub.connectors.containing import containing
from hub.connectors.contract import Connector
from hub.connectors.http import PartnerClient
from hub.errors import CredentialRefused, HubError, PartnerError, PartnerUnavailable, PluginError, UsageError

_APP = ("client_id", "client_secret")


@dataclass(frozen=True)
class Asking:
    """A question to the owner of an account. `url` is to be opened in a browser; the answer comes to `redirect_uri`."""

    kind: type[Connector]
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    token_url: str
    url: str
    state: str = field(repr=False)

    def is_answered(self, state: str) -> bool:
        """Whether an answer is to this question, and not to somebody else's."""
        return hmac.compare_digest(state.encode(), self.state.encode())


def asking(kind: type[Connector], values: Mapping[str, Any], redirect_uri: str) -> Asking:
    """The question for an account of a partner. `values` are settings: the app's client id and secret, a `base_url`.

    Raises UsageError when the connector has no OAuth, or the app is not given.
    """
    if kind.oauth is None:
        raise UsageError(f"{kind.label} is not connected by OAuth.", hint="Leave --oauth out.")
    client_id, client_secret = (_text(values.get(name)) for name in _APP)
    if not client_id or not client_secret:
        raise UsageError(
            f"{kind.label} is connected through an app of yours; its client id and secret are missing.",
            hint=f"Register one at {kind.oauth.page} with the redirect address {redirect_uri}, then give "
            "--set client_id=... --set client_secret=...",
        )
    base_url, state = _text(values.get("base_url")), secrets.token_urlsafe(24)
    question = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "state": state}
    if kind.oauth.scope:
        question["scope"] = kind.oauth.scope
    return Asking(
        kind=kind,
        client_id=client_id,
        client_secret=client_secret,
        redirect_uri=redirect_uri,
        token_url=_moved(kind.oauth.token_url, base_url),
        url=f"{_moved(kind.oauth.authorize_url, base_url)}?{urlencode(question)}",
        state=state,
    )


async def granted(asked: Asking, code: str, guard: AddressGuard) -> dict[str, str]:
    """The settings that an answer's `code` stands for: the token, and what follows from it. A code is good for once.

    Raises CredentialRefused, PartnerUnavailable, AddressRefused; PluginError when the token expires, which no connector
    may declare.
    """
    oauth = asked.kind.oauth
    assert oauth is not None
    address = urlsplit(asked.token_url)
    form = {
        "grant_type": "authorization_code",
        "client_id": asked.client_id,
        "client_secret": asked.client_secret,
        "redirect_uri": asked.redirect_uri,
        "code": code,
    }
    async with PartnerClient(f"{address.scheme}://{address.netloc}", guard=guard, read_attempts=2) as http:
        http.explain = _refusal
        answer = http.json(
            await http.request(
                "POST",
                address.path,
                body=urlencode(form).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            )
        )
        token = _token(asked.kind, answer)
        with containing(asked.kind):
            more = dict(await asked.kind.authorized(http, token))
    return {**more, oauth.token: token}


def _token(kind: type[Connector], answer: Any) -> str:
    if isinstance(answer, Mapping) and answer.get("error"):
        raise _refused(answer)
    token = answer.get("access_token") if isinstance(answer, Mapping) else None
    if not isinstance(token, str) or not token:
        raise PartnerUnavailable(f"{kind.label} gave no token.", hint="Try again.")
    if answer.get("expires_in"):
        raise PluginError(f"The connector {kind.name} gets tokens that expire, and has nothing to renew them with.")
    return token


def _refusal(response: httpx.Response) -> PartnerError | None:
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    return _refused(answer) if isinstance(answer, dict) and answer.get("error") else None


def _refused(answer: Mapping[str, Any]) -> CredentialRefused:
    said = f"{answer['error']}: {answer['error_description']}" if answer.get("error_description") else answer["error"]
    return CredentialRefused(
        f"The partner gave no token: {said}",
        hint="Look at the app's client id, its secret, and the redirect address that is registered for it.",
    )


def _moved(url: str, base_url: str) -> str:
    """An address of the partner at the host of a sandbox or a proxy."""
    if not base_url:
        return url
    there = urlsplit(base_url)
    return urlsplit(url)._replace(scheme=there.scheme, netloc=there.netloc).geturl()


def _text(value: Any) -> str:
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value or "").strip()


class NotAnswered(HubError):
    """The account's owner did not consent, or nobody came back in time."""
