"""The admin endpoints under `/_sandbox/`: not recorded, not faulted, not limited."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.testing.sandbox.base import Sandbox
from hub.testing.sandbox.faults import Fault

PREFIX = "/_sandbox"


def json_answer(content: Any, status: int = 200) -> Response:
    """An answer with `content` as JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json")


def refuse_admin(why: str, status: int = 400) -> HTTPException:
    """The error to raise in an admin endpoint; `why` reaches the caller as `{"error": why}`."""
    return HTTPException(status, why)


def admin_app(sandbox: Sandbox) -> Starlette:
    """The admin endpoints of `sandbox`: the toolkit's and its own."""
    routes: list[Route] = [*_Admin(sandbox).routes(), *sandbox.admin_routes()]

    async def describe(request: Request) -> Response:
        """This help."""
        return json_answer({"sandbox": sandbox.label, "endpoints": _help(routes)})

    routes.insert(0, Route(f"{PREFIX}/", describe))
    mounted: Sequence[BaseRoute] = [*routes, Route(PREFIX, describe)]
    return Starlette(routes=mounted, exception_handlers={HTTPException: _refused})


class _Admin:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        return [
            Route(f"{PREFIX}/requests", self.requests),
            Route(f"{PREFIX}/requests", self.forget_requests, methods=["DELETE"]),
            Route(f"{PREFIX}/repeats", self.repeats),
            Route(f"{PREFIX}/bodies/{{digest}}", self.body),
            Route(f"{PREFIX}/faults", self.faults),
            Route(f"{PREFIX}/faults", self.add_faults, methods=["POST"]),
            Route(f"{PREFIX}/faults", self.clear_faults, methods=["DELETE"]),
            Route(f"{PREFIX}/faults/{{id:int}}", self.remove_fault, methods=["DELETE"]),
            Route(f"{PREFIX}/state", self.state),
            Route(f"{PREFIX}/reset", self.reset, methods=["POST"]),
        ]

    async def requests(self, request: Request) -> Response:
        """What was asked, oldest first: ?since=SEQ, ?writing=1 (writing calls only), ?keys=1, ?limit=N."""
        ask = request.query_params
        try:
            since, limit = int(ask.get("since", 0)), int(ask.get("limit", 10_000))
        except ValueError as exc:
            raise refuse_admin(f"since and limit are whole numbers: {exc}") from exc
        found = self._sandbox.recorder.requests(
            since=since, limit=limit, writing=_yes(ask.get("writing")), keys=_yes(ask.get("keys"))
        )
        return json_answer({"requests": found, "next_since": found[-1]["seq"] if found else since})

    async def forget_requests(self, request: Request) -> Response:
        """Forget every recorded request and the highest concurrency seen."""
        self._forget()
        return Response(status_code=204)

    async def repeats(self, request: Request) -> Response:
        """Writing calls that came more than once with the same body, with their sequence numbers."""
        return json_answer({"repeats": self._sandbox.recorder.repeats()})

    async def body(self, request: Request) -> Response:
        """The recorded body with this digest (only when the sandbox was started to keep bodies)."""
        body = self._sandbox.recorder.body(request.path_params["digest"])
        if body is None:
            raise refuse_admin("no body is kept under this digest", 404)
        return Response(body, media_type="application/octet-stream")

    async def faults(self, request: Request) -> Response:
        """The faults in waiting, with how many requests each has seen and how often it fired."""
        return json_answer({"faults": self._sandbox.faults.shown()})

    async def add_faults(self, request: Request) -> Response:
        """Queue a fault, or a list of them: kind, method, path, regex, after, count, probability, seed ..."""
        try:
            given = orjson.loads(await request.body())
            asked = [Fault.model_validate(one) for one in (given if isinstance(given, list) else [given])]
        except orjson.JSONDecodeError as exc:
            raise refuse_admin(f"not JSON: {exc}") from exc
        except ValidationError as exc:
            raise refuse_admin("; ".join(_sentence(error) for error in exc.errors())) from exc
        return json_answer({"ids": [self._sandbox.faults.add(fault) for fault in asked]}, 201)

    async def clear_faults(self, request: Request) -> Response:
        """Take every fault away."""
        self._sandbox.faults.clear()
        return Response(status_code=204)

    async def remove_fault(self, request: Request) -> Response:
        """Take one fault away."""
        if not self._sandbox.faults.remove(request.path_params["id"]):
            raise refuse_admin("no fault with this id", 404)
        return Response(status_code=204)

    async def state(self, request: Request) -> Response:
        """Counts: what the partner holds, requests, limits with the highest concurrency seen, faults."""
        sandbox = self._sandbox
        return json_answer(
            {
                "sandbox": sandbox.name,
                "partner": sandbox.state(),
                "requests": sandbox.recorder.count(),
                "limits": {limit.name: limit.facts() for limit in sandbox.limits},
                "faults": len(sandbox.faults.shown()),
            }
        )

    async def reset(self, request: Request) -> Response:
        """Back to the first start: no faults, no recorded requests, the partner's first state."""
        self._sandbox.faults.clear()
        self._sandbox.reset()
        self._forget()
        return Response(status_code=204)

    def _forget(self) -> None:
        self._sandbox.recorder.clear()
        for limit in self._sandbox.limits:
            limit.clear()


async def _refused(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        raise exc
    return json_answer({"error": exc.detail}, exc.status_code)


def _help(routes: Sequence[Route]) -> list[dict[str, str]]:
    return [
        {
            "method": " ".join(sorted((route.methods or set()) - {"HEAD"})),
            "path": route.path,
            "what": (inspect.getdoc(route.endpoint) or "").partition("\n")[0],
        }
        for route in routes
    ]


def _sentence(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def _yes(value: str | None) -> bool:
    return value is not None and value.lower() in {"1", "true", "yes"}
