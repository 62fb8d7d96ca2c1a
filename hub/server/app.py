"""The ASGI app: `/track`, `/import`, `/engage`, with and without a slash at the end, partners' `/in/...`, `/health`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.app import Hub
from hub.clock import now
from hub.ingestion.received import Endpoint, Incoming, Refused, flags_of
from hub.ingestion.service import MOST_BYTES, Ingestion
from hub.server.answers import answered, is_callback, refused
from hub.server.bodies import InFlight, read_body
from hub.server.limits import RollingLimit
from hub.server.mover import Mover

if TYPE_CHECKING:
    from hub.events.request import Flags

_PREFLIGHT_SECONDS = 86_400
_METHODS = ["GET", "POST", "OPTIONS"]

_CORS = Middleware(
    CORSMiddleware,
    allow_origin_regex=".*",  # whoever has a token may send from any page; no cookie lets anybody in
    allow_credentials=True,  # mixpanel-js asks with credentials
    allow_methods=_METHODS,
    allow_headers=["*"],
    expose_headers=["Retry-After"],
    max_age=_PREFLIGHT_SECONDS,
)


class Server:
    """One hub, served. `mover` is watched by `/health`; None when nobody moves from here. `decoder` is started when a
    partner has sent something."""

    def __init__(self, hub: Hub, *, mover: Mover | None = None, decoder: Mover | None = None) -> None:
        settings = hub.settings
        self._settings = settings
        self._mover = mover
        self._decoder = decoder
        self._door = hub.door()
        self._ingestion = Ingestion(hub.workspace)
        self._flight = InFlight(settings.server_bytes_in_flight)
        self._limit = RollingLimit(most_bytes=settings.server_client_bytes, most_records=settings.server_client_records)

    def app(self) -> Starlette:
        """The ASGI app. It closes the server when its lifespan ends."""
        routes = [
            Route(f"/{endpoint}{slash}", partial(self._take, endpoint), methods=_METHODS)
            for endpoint in Endpoint
            for slash in ("", "/")
        ]
        return Starlette(
            routes=[*routes, *self._entrances(), Route("/health", self._health)],
            middleware=[_CORS],
            exception_handlers={HTTPException: _told, Exception: _broken},
            lifespan=self._running,
        )

    def open(self) -> None:
        """Begin to take in; before the app is served. Raises StoreError."""
        self._ingestion.open()
        self._door.open()

    @asynccontextmanager
    async def _running(self, _app: Starlette) -> AsyncIterator[None]:
        works = [self._ingestion.watch(), self._door.watch()]
        works += [self._mover.keep()] if self._mover else []
        works += [self._decode()] if self._decoder else []
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._ingestion.close)
            await asyncio.to_thread(self._door.close)
            for beside in filter(None, (self._mover, self._decoder)):
                await asyncio.to_thread(beside.stop)

    async def _decode(self) -> None:
        """Keep the decoder running from the first request of a partner on."""
        await self._door.arrived.wait()
        if self._decoder:
            await self._decoder.keep()

    def _entrances(self) -> list[Route]:
        paths = [f"{path}{slash}" for path in ("/in/{name}", "/in/{name}/{token}") for slash in ("", "/")]
        return [Route(path, self._let_in, methods=["GET", "POST"]) for path in paths]

    async def _let_in(self, request: Request) -> Response:
        """A partner's request to a connection's address."""
        try:
            with self._flight.one() as held:
                body = await read_body(request, held, most=MOST_BYTES, seconds=self._settings.server_body_seconds)
                reply = await self._door.receive(
                    request.path_params["name"],
                    request.path_params.get("token", ""),
                    method=request.method,
                    headers=request.headers,
                    query=request.query_params,
                    body=body,
                )
        except Refused as error:
            return refused(error)
        except asyncio.CancelledError:
            return refused(Refused("The hub is shutting down.", 503, retry_after=5))
        return Response(reply.body, reply.status, media_type=reply.content_type)

    async def _take(self, endpoint: Endpoint, request: Request) -> Response:
        if request.method not in ("GET", "POST"):
            return Response(headers={"allow": ", ".join(_METHODS)})
        flags = flags_of(request.query_params)
        try:
            _check_callback(flags)
            return await self._stored(endpoint, request)
        except Refused as error:
            return refused(error, flags)
        except asyncio.CancelledError:
            # the server ends, and the request took longer than it waits: nobody was told that it went in
            return refused(Refused("The hub is shutting down.", 503, retry_after=5), flags)

    async def _stored(self, endpoint: Endpoint, request: Request) -> Response:
        address = request.client.host if request.client else None
        self._ingestion.check_room()
        project = None
        if endpoint is Endpoint.IMPORT:
            login = request.headers.get("authorization", "")
            project = await self._ingestion.login(login, request.query_params.get("project_id", ""))
            self._check_limit(project.id, address)
        with self._flight.one() as held:
            body = await read_body(request, held, most=MOST_BYTES, seconds=self._settings.server_body_seconds)
            incoming = Incoming(
                endpoint,
                body,
                request.query_params,
                request.headers.get("content-type", ""),
                request.headers.get("content-encoding", ""),
                address,
            )
            received = await self._ingestion.read(incoming, project)
            _check_callback(received.flags)  # those of the query, or of the form
            for each in received.projects:
                self._check_limit(each, address)
            held.grow(received.bytes)  # a slow disk makes many wait
            await self._ingestion.keep(received)
            for each in received.projects:
                self._limit.count((each, address), size=len(body), records=received.accepted)
        return answered(endpoint, received)

    def _check_limit(self, project_id: int, address: str | None) -> None:
        seconds = self._limit.wait((project_id, address))
        if seconds:
            raise Refused("You have sent more than the hub takes in a minute.", 429, retry_after=seconds)

    async def _health(self, _request: Request) -> Response:
        backlog, counts = self._ingestion.backlog, self._ingestion.counts
        free = await asyncio.to_thread(shutil.disk_usage, self._settings.home)
        moving = self._mover is None or self._mover.alive
        problem = self._ingestion.problem or ("" if moving else "The mover does not run.")
        body = {
            "ok": not problem,
            "problem": problem,
            "mover": moving,
            "backlog": {
                "requests": backlog.entries if backlog else 0,
                "records": backlog.records if backlog else 0,
                "bytes": backlog.bytes if backlog else 0,
                "oldest_seconds": (now() - backlog.oldest_at).total_seconds() if backlog and backlog.oldest_at else 0.0,
            },
            "disk_free": free.free,
            "since_start": vars(counts),
            "inbound": {"waiting": self._door.waiting, "since_start": vars(self._door.counts)},
        }
        return JSONResponse(body, 200 if not problem else 503, {"cache-control": "no-store"})


def _check_callback(flags: Flags) -> None:
    if flags.callback and not is_callback(flags.callback):
        raise Refused("callback is not the name of a function.", 400)


async def _told(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    body = {"code": status, "error": HTTPStatus(status).description, "status": HTTPStatus(status).phrase}
    return JSONResponse(body, status, headers)


async def _broken(_request: Request, _error: Exception) -> Response:
    """A fault of the hub: it is written to the log by the server, and the client may try again."""
    return refused(Refused("The hub has a fault; it is in its log.", 500))
