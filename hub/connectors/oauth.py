"""How accounts of a partner are connected by OAuth 2: the partner's facts, as a connector declares them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OAuth:
    """The authorization-code flow of a partner (RFC 6749, 4.1), for tokens that do not expire.

    `token` is the secret setting that the token is kept in, where else a key that was copied would be. The connector's
    settings have `client_id` and `client_secret` beside it: those of the app that the operator registered at the
    partner, at `page`, with the redirect address that the hub tells. With a `base_url` (a sandbox, a proxy) both
    addresses are asked for at its host, under the same paths.
    """

    authorize_url: str
    token_url: str
    token: str
    page: str
    scope: str = ""
