"""The HTTP edge of Braze's API: who asks, what they may, how often, and errors in its words.

Sources: https://www.braze.com/docs/api/errors/ and https://www.braze.com/docs/api/api_limits/.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub_braze.sandbox.workspace import Workspace

LARGEST_BODY = 4 * 1024 * 1024
Json = dict[str, Any]


class Refused(Exception):
    """An error answer; `errors` are those of single objects."""

    def __init__(self, status: int, message: str, errors: list[Json] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors or []


@dataclass
class Window:
    """A limit of so many requests in windows of so many seconds, which begin by the clock and do not slide."""

    most: int
    seconds: float
    _window: int = 0
    _used: int = 0

    def spend(self) -> tuple[bool, dict[str, str]]:
        """Whether one more request may pass, and the headers that tell of the limit."""
        now = int(time.time() // self.seconds)
        if now != self._window:
            self._window, self._used = now, 0
        passes = self._used < self.most
        self._used += passes
        reset = int((now + 1) * self.seconds + 0.999)
        return passes, {
            "x-ratelimit-limit": str(self.most),
            "x-ratelimit-remaining": str(self.most - self._used),
            "x-ratelimit-reset": str(reset),
        }


def documented() -> dict[str, Window]:
    """The limits of a new workspace, by the path that they are of; the empty path is everything else."""
    return {
        "/users/track": Window(3000, 3),
        "/users/export/ids": Window(250, 60),
        "/partners": Window(250_000, 3600),
        "": Window(250_000, 3600),
    }


@dataclass(frozen=True)
class Call:
    """One request that may be worked on: the parts of its path, its query, its JSON body."""

    path: Mapping[str, Any]
    query: QueryParams
    body: Json


Handler = Callable[[Call], Awaitable[tuple[int, Json]]]


@dataclass
class Edge:
    """Makes routes of handlers. `permission` None: the credential is in the body, and the handler looks at it."""

    workspace: Workspace
    limits: dict[str, Window] = field(default_factory=documented)

    def route(self, method: str, path: str, handler: Handler, permission: str | None) -> Route:
        """A route of the API."""

        async def endpoint(request: Request) -> Response:
            passes, headers = self._limit(path).spend()
            try:
                if not passes:
                    raise Refused(429, "Rate limit exceeded. Please wait and try again.")
                if permission is not None:
                    self._authenticate(request.headers.get("authorization", ""), permission)
                status, content = await handler(Call(request.path_params, request.query_params, await _body(request)))
            except Refused as refused:
                return answer(refused, headers)
            return Response(orjson.dumps(content), status, headers, media_type="application/json")

        return Route(path, endpoint, methods=[method])

    def _limit(self, path: str) -> Window:
        return next(window for start, window in sorted(self.limits.items(), reverse=True) if path.startswith(start))

    def _authenticate(self, header: str, permission: str) -> None:
        scheme, _, key = header.partition(" ")
        permitted = self.workspace.permissions(key.strip()) if scheme == "Bearer" else None
        if permitted is None:
            raise Refused(401, f"Invalid API key: {key.strip()}")
        if permission not in permitted:
            raise Refused(403, "Access Denied")


def answer(refused: Refused, headers: Mapping[str, str] | None = None) -> Response:
    """An error in Braze's shape: prose, and the errors of single objects."""
    content: Json = {"message": refused.message} | ({"errors": refused.errors} if refused.errors else {})
    return Response(orjson.dumps(content), refused.status, dict(headers or {}), media_type="application/json")


async def _body(request: Request) -> Json:
    if request.method == "GET":
        return {}
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refused(415, "Unsupported Media Type")
    raw = await request.body()
    if len(raw) > LARGEST_BODY:
        raise Refused(413, "Request body is too large")
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"Unable to parse JSON: {error}") from error
    if not isinstance(told, dict):
        raise Refused(400, "The body is a JSON object")
    return told
