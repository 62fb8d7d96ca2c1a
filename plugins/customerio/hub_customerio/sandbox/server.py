"""The sandbox itself: both APIs on one workspace, at one address, with their limits and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.testing.sandbox import ConcurrencyLimit, Limit, RateLimit, Refused, Sandbox
from hub_customerio.sandbox import reading, webhooks, writing
from hub_customerio.sandbox.admin import CustomerIOAdmin
from hub_customerio.sandbox.web import app, app_errors, track, track_error
from hub_customerio.sandbox.workspace import APP_KEY, SIGNING_KEY, SITE_ID, TABLES, TRACK_KEY, Workspace, opened

APP_RATE, TRACK_RATE = 10, 1000
"""Requests a second: https://docs.customer.io/integrations/api/app/ and /track/."""
LAG = 2.0
"""Seconds until a change of a segment shows, unless told otherwise."""


class CustomerIOSandbox(Sandbox):
    """Customer.io on this machine. `lag` is how many seconds a change of a segment takes to show.

    `app_rate` is how many App requests a second it lets pass: more for tests that are not about it.
    """

    name = "customerio"
    label = "Customer.io"
    default_port = 8803

    def __init__(self, home: Path, *, keep_bodies: bool = False, lag: float = LAG, app_rate: int = APP_RATE) -> None:
        self._app_rate = app_rate
        super().__init__(home, keep_bodies=keep_bodies)
        self._workspace = opened(home / "customerio.db", lag)

    def settings(self, url: str) -> dict[str, str]:
        """The documented credentials, and the address of both APIs."""
        return {
            "site_id": SITE_ID,
            "track_api_key": TRACK_KEY,
            "app_api_key": APP_KEY,
            "signing_key": SIGNING_KEY,
            "base_url": url,
        }

    def account_limits(self) -> Sequence[Limit]:
        """Ten App requests a second, told without a Retry-After; a thousand Track requests. Concurrency is observed."""
        return [
            ConcurrencyLimit(None),
            _Of("app", RateLimit(self._app_rate, 1.0, tell=False)),
            _Of("track", RateLimit(TRACK_RATE, 1.0)),
        ]

    def credential(self, headers: Mapping[str, str]) -> str:
        """Which API is asked: each has its own limit for the whole workspace."""
        return "app" if headers.get("authorization", "").lower().startswith("bearer") else "track"

    def app(self) -> Starlette:
        """Both APIs, for the US at the root and for the EU below `/eu`."""
        return Starlette(routes=routes(self._workspace), exception_handlers={HTTPException: _plain_error})

    def admin_routes(self) -> list[Route]:
        """People, segments, messages and the webhook."""
        return CustomerIOAdmin(self._workspace).routes()

    def member_keys(self, method: str, path: str, body: bytes) -> list[str] | None:
        """The keys of a batch, or of a change of a segment (those to remove with a `-` in front)."""
        if method != "POST" or not path.endswith(("/batch", "/add_customers", "/remove_customers")):
            return None
        try:
            content = orjson.loads(body)
            if path.endswith("/batch"):
                return [str(next(iter(item["identifiers"].values()))) for item in content["batch"]]
            sign = "-" if path.endswith("/remove_customers") else ""
            return [f"{sign}{key}" for key in content["ids"]]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, StopIteration):
            return None

    def refusal(self, status: int, reason: str) -> Response:
        """An error in the App API's words; Customer.io documents no body for a 429."""
        return JSONResponse(app_errors(reason, status), status)

    def state(self) -> dict[str, Any]:
        """Rows by table."""
        return {table: self._workspace.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}

    def reset(self) -> None:
        """An empty workspace in the US, without a webhook."""
        self._workspace.wipe()

    def close(self) -> None:
        """Close the files."""
        self._workspace.db.close()
        super().close()


class _Of:
    """A limit for the requests to one of the APIs."""

    def __init__(self, api: str, limit: RateLimit) -> None:
        self.name = f"{api}_rate"
        self._api, self._limit = api, limit

    @contextmanager
    def entered(self, credential: str) -> Iterator[Refused | None]:
        """Count a request to this API; let all others in."""
        if credential != self._api:
            yield None
            return
        with self._limit.entered(credential) as refused:
            yield refused

    def facts(self) -> dict[str, Any]:
        """The limit and how many were refused."""
        return self._limit.facts()

    def clear(self) -> None:
        """Begin a new window."""
        self._limit.clear()


def routes(workspace: Workspace) -> list[Route]:
    """Every route of both APIs that the sandbox knows."""
    segment, members = "/v1/segments/{segment:int}", "/api/v1/segments/{segment:int}"
    found = [
        track(workspace, "/api/v1/accounts/region", get=writing.region),
        track(workspace, "/api/v2/batch", post=writing.batch),
        track(workspace, f"{members}/add_customers", post=writing.add_customers),
        track(workspace, f"{members}/remove_customers", post=writing.remove_customers),
        app(workspace, "/v1/segments", get=reading.list_segments, post=reading.make_segment),
        app(workspace, segment, get=reading.get_segment, delete=reading.delete_segment),
        app(workspace, f"{segment}/customer_count", get=reading.count),
        app(workspace, f"{segment}/membership", get=reading.membership),
        app(workspace, "/v1/customers/attributes", post=reading.people),
        app(workspace, "/v1/reporting_webhooks", get=webhooks.list_webhooks, post=webhooks.make_webhook),
        app(
            workspace, "/v1/reporting_webhooks/{webhook:int}", put=webhooks.put_webhook, delete=webhooks.delete_webhook
        ),
        app(workspace, "/v1/messages", get=reading.messages),
        app(workspace, "/v1/campaigns", get=reading.names("campaign", "campaigns")),
        app(workspace, "/v1/broadcasts", get=reading.names("broadcast", "broadcasts")),
        app(workspace, "/v1/newsletters", get=reading.names("newsletter", "newsletters")),
        app(workspace, "/v1/transactional", get=reading.names("transactional", "messages")),
    ]
    return [route for each in found for route in each]


async def _plain_error(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        raise exc
    track_path = "/api/v" in request.url.path
    body = track_error(exc.detail) if track_path else app_errors(exc.detail, exc.status_code)
    return JSONResponse(body, exc.status_code)
