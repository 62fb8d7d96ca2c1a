"""Mailchimp's login for apps: a page that asks, a code that is good for once, a token that does not expire.

https://mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/
"""

from __future__ import annotations

import html
import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from hub.testing.sandbox import transaction
from hub_mailchimp.sandbox.account import ACCOUNT, API_KEY, CLIENT_ID, CLIENT_SECRET, Account

_PAGE = """<!doctype html><meta charset=utf-8><title>Mailchimp sandbox</title>
<h1>Sandbox account</h1><p>An app wants to use this account.</p>
<p><a id=allow href="{allow}">Allow</a> <a id=deny href="{deny}">Deny</a></p>"""


class OAuth:
    """The endpoints under `/oauth2`, on one account with one registered app."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._codes: dict[str, str] = {}

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/oauth2/authorize", self.authorize),
            Route("/oauth2/token", self.token, methods=["POST"]),
            Route("/oauth2/metadata", self.metadata),
        ]

    async def authorize(self, request: Request) -> Response:
        """Ask the account's owner; the links of the page answer, and lead back to the app."""
        query = dict(request.query_params)
        redirect = query.get("redirect_uri", "")
        if query.get("client_id") != CLIENT_ID or urlsplit(redirect).hostname != "127.0.0.1":
            return HTMLResponse("<p>invalid_client: no such app, or another redirect address than it registered.", 400)
        if query.get("response_type") != "code":
            return HTMLResponse("<p>unsupported_response_type", 400)
        decision, state = query.pop("decision", ""), {"state": query["state"]} if "state" in query else {}
        if decision == "allow":
            code = secrets.token_hex(16)
            self._codes[code] = redirect
            return RedirectResponse(f"{redirect}?{urlencode({'code': code, **state})}", 302)
        if decision == "deny":
            return RedirectResponse(f"{redirect}?{urlencode({'error': 'access_denied', **state})}", 302)
        here = {each: html.escape("?" + urlencode({**query, "decision": each})) for each in ("allow", "deny")}
        return HTMLResponse(_PAGE.format(**here))

    async def token(self, request: Request) -> Response:
        """A token for a code: form-encoded, once, with the redirect address of the question to the letter."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return _error(401, "invalid_client", "The client id or secret is wrong.")
        if form.get("grant_type") != "authorization_code":
            return _error(400, "unsupported_grant_type", "Only authorization_code is supported.")
        asked_for = self._codes.pop(form.get("code", ""), None)
        if asked_for is None or asked_for != form.get("redirect_uri"):
            return _error(400, "invalid_grant", "The code is unknown, was used, or is of another redirect address.")
        token = secrets.token_hex(16)
        with transaction(self._account.db):
            self._account.db.execute("INSERT INTO tokens VALUES (?)", (token,))
        return _json({"access_token": token, "expires_in": 0, "scope": None})

    async def metadata(self, request: Request) -> Response:
        """Whose token it is, and where the account is: `Authorization: OAuth TOKEN`."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "OAuth" or not self._account.knows(token):
            return _error(401, "invalid_token", "The token is not known.")
        centre = API_KEY.rpartition("-")[2]
        return _json(
            {
                "dc": centre,
                "role": ACCOUNT["role"],
                "accountname": ACCOUNT["account_name"],
                "user_id": 1,
                "login": {"email": ACCOUNT["email"], "login_id": 1},
                "login_url": "https://login.mailchimp.com",
                "api_endpoint": f"https://{centre}.api.mailchimp.com",
            }
        )


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _error(status: int, error: str, description: str) -> Response:
    return _json({"error": error, "error_description": description}, status)
