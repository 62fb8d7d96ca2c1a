"""The sandbox itself: one address that takes the contract's requests, a look inside, and what it sends by itself."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import Sandbox, open_database, refuse_admin
from hub_webhook.sandbox.cohorts import SCHEMA, Cohorts, read
from hub_webhook.sandbox.expected import PASSWORD, SECRET, USERNAME, Expected, Refused
from hub_webhook.sandbox.sending import CohortExport, Messages, send_cohort, send_messages

PATH = "/hook"

T = TypeVar("T", bound=BaseModel)


class WebhookSandbox(Sandbox):
    """A receiver on this machine."""

    name = "webhook"
    label = "Webhook"
    default_port = 8802

    def __init__(self, home: Path, *, keep_bodies: bool = False) -> None:
        super().__init__(home, keep_bodies=keep_bodies)
        self._db = open_database(home / "webhook.db", SCHEMA)
        self._cohorts = Cohorts(self._db)
        self._expected = Expected()

    def settings(self, url: str) -> dict[str, str]:
        """The address, the credential and the signing secret that are expected at first."""
        return {"base_url": f"{url}{PATH}", "username": USERNAME, "password": PASSWORD, "signing_secret": SECRET}

    def app(self) -> Starlette:
        """The one address."""
        return Starlette(
            routes=[Route(PATH, self._receive, methods=["POST"])], exception_handlers={HTTPException: _plain_error}
        )

    def admin_routes(self) -> list[Route]:
        """Cohorts, deliveries, what is expected, and what is to be sent."""
        return [
            Route("/_sandbox/cohorts", self.show_cohorts),
            Route("/_sandbox/cohorts/{cohort:path}/members", self.show_members),
            Route("/_sandbox/deliveries", self.show_deliveries),
            Route("/_sandbox/expected", self.show_expected),
            Route("/_sandbox/expected", self.expect, methods=["POST"]),
            Route("/_sandbox/send/messages", self.send_messages, methods=["POST"]),
            Route("/_sandbox/send/cohort", self.send_cohort, methods=["POST"]),
        ]

    def member_keys(self, method: str, path: str, body: bytes) -> list[str] | None:
        """The distinct_ids of a page, those to remove with a `-` in front."""
        try:
            message = read(body)
        except Refused:
            return None
        sign = "-" if message.action == "remove_members" else ""
        return [sign + str(row["mixpanel_distinct_id"]) for row in message.members]

    def refusal(self, status: int, reason: str) -> Response:
        """A failure in the contract's words."""
        return _failure(status, reason)

    def state(self) -> dict[str, Any]:
        """Rows by table."""
        return self._cohorts.counts()

    def reset(self) -> None:
        """Nothing held; the first credential and secret."""
        self._cohorts.clear()
        self._expected = Expected()

    def close(self) -> None:
        """Close the files."""
        self._db.close()
        super().close()

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        try:
            self._expected.verify(request.headers, body)
            message = read(body)
        except Refused as refused:
            return _failure(refused.status, refused.message, _action_of(body))
        self._cohorts.take(request.headers.get("webhook-id", ""), message)
        return _json({"action": message.action, "status": "success"})

    async def show_cohorts(self, request: Request) -> Response:
        """Every cohort: project, cohort (its id), name, size, staged_pages."""
        return _json({"cohorts": self._cohorts.shown()})

    async def show_members(self, request: Request) -> Response:
        """A cohort's members with their properties, by id or name; ?format=ndjson."""
        try:
            found = self._cohorts.members(request.path_params["cohort"])
        except KeyError as exc:
            raise refuse_admin(f"no cohort {exc}", 404) from exc
        if request.query_params.get("format") == "ndjson":
            return Response(b"".join(orjson.dumps(row) + b"\n" for row in found), media_type="application/x-ndjson")
        return _json({"members": list(found)})

    async def show_deliveries(self, request: Request) -> Response:
        """Every message that was taken: its webhook-id, how many times it came, action, session, page, total, size."""
        return _json({"deliveries": self._cohorts.deliveries()})

    async def show_expected(self, request: Request) -> Response:
        """What every request has to bring."""
        return _json(self._expected.model_dump())

    async def expect(self, request: Request) -> Response:
        """Expect something else: {username?, password?, secrets?, headers?}; what is left out stays."""
        try:
            given = orjson.loads(await request.body())
            self._expected = Expected.model_validate({**self._expected.model_dump(), **given})
        except (orjson.JSONDecodeError, TypeError, ValidationError) as exc:
            raise refuse_admin(str(exc)) from exc
        return _json(self._expected.model_dump())

    async def send_messages(self, request: Request) -> Response:
        """Send signed message events: {url, events: [{type, timestamp, data}], secrets?, together?, times?, ...}."""
        order = await _ordered(Messages, request)
        return await _answers(send_messages(order))

    async def send_cohort(self, request: Request) -> Response:
        """Send a cohort by the contract: {url, cohort, name, members, action?, session?, page_size?, pages?, ...}."""
        order = await _ordered(CohortExport, request)
        return await _answers(send_cohort(order))


async def _ordered(kind: type[T], request: Request) -> T:
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as exc:
        raise refuse_admin(str(exc)) from exc


async def _answers(sending: Awaitable[list[dict[str, Any]]]) -> Response:
    try:
        return _json({"answers": await sending})
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise refuse_admin(f"It cannot be sent: {type(exc).__name__}: {exc}", 502) from exc


def _action_of(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["action"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


def _failure(status: int, message: str, action: str = "") -> Response:
    return _json({"action": action, "status": "failure", "error": {"message": message, "code": status}}, status)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


async def _plain_error(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        raise exc
    return _failure(exc.status_code, exc.detail)
