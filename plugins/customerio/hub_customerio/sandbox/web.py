"""The HTTP edge of both APIs: who asks, in which region, what is asked, and the errors of each."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import transaction
from hub_customerio.sandbox.workspace import APP_KEY, SITE_ID, TRACK_KEY, Workspace

REGIONS = {"us": "", "eu": "/eu"}
"""Region -> what stands before the paths of its hosts. Both APIs of a region are at one address: their paths differ."""
Json = dict[str, Any]


class Refused(Exception):
    """An error answer: its status, and its JSON body (None for no body)."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(status))
        self.status, self.body = status, body


@dataclass(frozen=True)
class Call:
    """One authenticated request."""

    workspace: Workspace
    path: Mapping[str, Any]
    query: QueryParams
    body: bytes

    def json(self) -> Json:
        """The body, which has to be an object. Raises Refused 400."""
        try:
            found = orjson.loads(self.body or b"{}")
        except orjson.JSONDecodeError as error:
            raise Refused(400, app_errors("malformed JSON", 400)) from error
        if not isinstance(found, dict):
            raise Refused(400, app_errors("the body has to be an object", 400))
        return found

    def number(self, name: str, default: int, most: int) -> int:
        """A parameter that is a whole number from 1 to `most`. Raises Refused 422."""
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
            raise Refused(422, app_errors(f"{name} must be between 1 and {most}", 422))
        return int(text)


Handler = Callable[[Call], Json | None]


def app_errors(detail: str, status: int) -> Json:
    """The App API's usual form of an error."""
    return {"errors": [{"detail": detail, "status": str(status)}]}


def track_error(words: str) -> Json:
    """The form of an error of the Track API's v1."""
    return {"meta": {"error": words}}


def track(workspace: Workspace, path: str, **handlers: Handler) -> list[Route]:
    """A path of the Track API, in every region. Track of one region forwards what is another's."""

    def guard(request: Request, region: str) -> None:
        if not _same(_basic(request.headers.get("authorization", "")), f"{SITE_ID}:{TRACK_KEY}"):
            raise Refused(401, None)

    return _routes(workspace, path, handlers, guard)


def app(workspace: Workspace, path: str, **handlers: Handler) -> list[Route]:
    """A path of the App API, in every region; only the workspace's own answers, the other one redirects."""

    def guard(request: Request, region: str) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not _same(key.strip(), APP_KEY):
            raise Refused(401, app_errors("unauthorized", 401))
        if region != workspace.fact("region"):
            raise Refused(301, app_errors("wrong datacenter", 301))

    return _routes(workspace, path, handlers, guard)


def _routes(
    workspace: Workspace, path: str, handlers: Mapping[str, Handler], guard: Callable[[Request, str], None]
) -> list[Route]:
    return [_route(workspace, region, prefix + path, handlers, guard) for region, prefix in REGIONS.items()]


def _route(
    workspace: Workspace, region: str, path: str, handlers: Mapping[str, Handler], guard: Callable[[Request, str], None]
) -> Route:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            guard(request, region)
            handler = handlers[request.method.lower()]
            call = Call(workspace, request.path_params, request.query_params, body)
            with transaction(workspace.db):
                return _answer(handler(call))
        except Refused as refused:
            headers = {"Location": f"https://api-eu.customer.io{request.url.path}"} if refused.status == 301 else {}
            if refused.body is None:
                return Response(status_code=refused.status)
            return Response(orjson.dumps(refused.body), refused.status, headers, media_type="application/json")

    return Route(path, endpoint, methods=[method.upper() for method in handlers])


def _answer(result: Json | None) -> Response:
    """None is 204; a key `_status` names another status than 200."""
    if result is None:
        return Response(status_code=204)
    status = int(result.pop("_status", 200))
    return Response(orjson.dumps(result), status, media_type="application/json")


def _basic(header: str) -> str:
    scheme, _, value = header.partition(" ")
    try:
        return base64.b64decode(value, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
