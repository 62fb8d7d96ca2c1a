"""The guarded HTTP client that every connector gets: time-outs, address guard, and errors with a meaning."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import timedelta
from functools import cache
from typing import IO, Any, cast
from urllib.parse import urlsplit

import aiohttp
import httpx
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

from hub.connectors.addresses import AddressGuard
from hub.connectors.pacing import Pace
from hub.connectors.recording import Exchange, Secrets
from hub.connectors.retry import LONGEST_WAIT, persist, retry_after
from hub.errors import (
    AddressRefused,
    BatchRefused,
    CredentialRefused,
    PartnerError,
    PartnerUnavailable,
    SettingsWrong,
    Wait,
)

# httpx logs the address of every request, and an address may hold a secret; the ledger has requests without them
logging.getLogger("httpx").setLevel(logging.WARNING)

Explain = Callable[[httpx.Response], PartnerError | None]
"""A connector's reading of an answer with a status of 400 or above; None leaves it to the default."""

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_GATEWAY = {502, 504}
_IN_MEMORY = 8_000_000
"""Bytes of a download that are held in memory; more goes to a temporary file."""


class _GuardedResolver(AbstractResolver):
    """Resolves names through the guard, so that the address that was checked is the one connected to."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await asyncio.to_thread(self._guard.check, host, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to let go."""


class PartnerClient:
    """HTTP to one partner. Every failure becomes one of the classes of `hub.errors` below PartnerError.

    `base_url` is the API's address without a slash at its end. `read_attempts` is how often a GET is tried
    when the partner is busy or away; writing calls are never repeated here: the sync engine does, and records it.
    With a `pace`, each request waits for its turn at the account. What the ledger keeps of requests and answers is
    without the `secrets` (see `hub.connectors.recording`).
    A connector sets `explain` to give the partner's own words a meaning, and `headers` to authenticate.
    Use it as an async context manager, or call `close`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        guard: AddressGuard,
        timeout: timedelta = timedelta(seconds=30),
        concurrency: int = 8,
        read_attempts: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
        pace: Pace | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise SettingsWrong(f"{base_url!r} is not an address of an API.", hint="It has the form https://host/path.")
        self.base_url = base_url.rstrip("/")
        self.headers: dict[str, str] = {}
        self.explain: Explain = lambda response: None
        self._guard = guard
        self._read_attempts = read_attempts
        self._pace = pace
        self._secrets = secrets or Secrets()
        self._client = httpx.AsyncClient(
            transport=transport or AiohttpTransport(verify=_tls(), client=lambda: _session(guard, concurrency)),
            timeout=httpx.Timeout(timeout.total_seconds(), connect=min(10.0, timeout.total_seconds())),
            follow_redirects=False,
            trust_env=False,
        )
        self._guards, self._guarded = transport is None, set[tuple[str, int]]()

    async def __aenter__(self) -> PartnerClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def get(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """GET `path` and return the parsed JSON, trying again while the partner is busy or away."""

        async def once() -> Any:
            return self.json(await self.request("GET", path, params=params, headers=headers))

        return await persist(once, attempts=self._read_attempts)

    async def post(self, path: str, body: Any, *, params: Mapping[str, Any] | None = None) -> Any:
        """POST a JSON `body` to `path` and return the parsed JSON of the answer (None when it is empty)."""
        return self.json(await self.request("POST", path, params=params, body=body))

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request, with a JSON body if one is given, and return an answer below 300.

        `path` stands behind the client's address; of a partner with several hosts it may be a whole address. A `body`
        of bytes is sent as it is, so that it can be signed, and is JSON unless a header says another `Content-Type`;
        `headers` are of this request alone, on top of the client's.
        Raises PartnerUnavailable when no usable answer came (`answer_lost` tells whether the request may have
        been carried out), AddressRefused, or what the status means.
        """
        url = path if path.startswith(("https://", "http://")) else self.base_url + path
        await self._check_address(url)
        content = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        told = {**self.headers, **(headers or {})}
        if content is not None:
            told.setdefault("Content-Type", "application/json")
        try:
            async with self._pace.turn() if self._pace else nullcontext():
                response = await self._exchanged(
                    self._client.build_request(method, url, params=params, content=content, headers=told),
                    content,
                )
        except httpx.TransportError as error:
            raise _unanswered(method, url, error) from error
        if response.status_code >= 300:
            refused = self.explain(response) or meaning(response)
            if self._pace and isinstance(refused, Wait) and refused.seconds:
                await self._pace.hold_off(min(refused.seconds, LONGEST_WAIT))
            raise refused
        return response

    async def download(self, url: str) -> IO[bytes]:
        """GET a whole address that the partner told, such as a file in its storage; a temporary file with what came.

        None of the client's headers go along: they hold the credential, and the address is somebody else's.
        Raises PartnerUnavailable and AddressRefused.
        """
        await self._check_address(url)
        file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it is the caller's to close
        try:
            async with self._client.stream("GET", url) as response:
                if response.status_code >= 300:
                    raise PartnerUnavailable(f"{response.url.host} answered {response.status_code} to a download.")
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
        except httpx.TransportError as error:
            raise _unanswered("GET", url, error) from error
        file.seek(0)
        return cast("IO[bytes]", file)

    async def _exchanged(self, request: httpx.Request, content: bytes | None) -> httpx.Response:
        exchange = Exchange(self._secrets, request.method, str(request.url), content)
        try:
            response = await self._client.send(request)
        except httpx.HTTPError as error:
            exchange.failed(error)
            raise
        exchange.answered(response)
        return response

    def json(self, response: httpx.Response) -> Any:
        """The parsed body of an answer, None when it is empty. Raises PartnerUnavailable when it is no JSON."""
        if not response.content:
            return None
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise PartnerUnavailable(
                f"{response.request.url.host} answered {response.status_code} with something that is not JSON.",
                answer_lost=response.request.method != "GET",
            ) from error

    async def _check_address(self, url: str) -> None:
        # aiohttp asks no resolver for a literal address, so those are looked at here; names, when connecting
        address = urlsplit(url)
        place = (address.hostname or "", address.port or (443 if address.scheme == "https" else 80))
        if self._guards and place not in self._guarded:
            if _is_literal(place[0]):
                self._guard.check(*place)
            self._guarded.add(place)


def _unanswered(method: str, url: str, error: httpx.TransportError) -> PartnerError | AddressRefused:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused | PartnerUnavailable):
            return cause
        cause = cause.__cause__ or cause.__context__
    sent = _was_sent(error)
    said = str(error) or type(error).__name__
    return PartnerUnavailable(
        f"{urlsplit(url).hostname} {'gave no answer' if sent else 'cannot be reached'}: {said}",
        answer_lost=sent and method != "GET",
        hint="Look at the address and at the network; it will be tried again.",
    )


def meaning(response: httpx.Response) -> PartnerError:
    """What an answer of 300 or above means, for partners that say nothing more exact."""
    status = response.status_code
    said = f"{response.request.url.host} answered {status} to {response.request.method} {response.request.url.path}"
    if status in (401, 403):
        return CredentialRefused(f"{said}.", hint="Renew the credential of this connection.")
    if status == 429:
        return Wait(f"{said}.", seconds=retry_after(response.headers.get("Retry-After")))
    if status == 503:
        seconds = retry_after(response.headers.get("Retry-After"))
        return Wait(f"{said}.", seconds=seconds) if seconds is not None else PartnerUnavailable(f"{said}.")
    if status >= 500 or status == 408:
        lost = status in _GATEWAY and response.request.method != "GET"
        return PartnerUnavailable(f"{said}.", answer_lost=lost)
    if status < 400 or status in (404, 405, 410):
        return SettingsWrong(f"{said}.", hint="Look at the address and at the settings of this connection.")
    return BatchRefused(f"{said}.")


@cache
def _tls() -> ssl.SSLContext:
    """What the transport would make for every client, in 30 ms, and the session does not use: it has aiohttp's own."""
    return httpx.create_ssl_context(trust_env=False)


def _session(guard: AddressGuard, concurrency: int) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=concurrency, resolver=_GuardedResolver(guard), use_dns_cache=True, ttl_dns_cache=30
    )
    session = aiohttp.ClientSession(connector=connector, trust_env=False)
    # aiohttp repeats what is idempotent by itself, past the ledger and the pace; it has no public way to say no
    session._retry_connection = False
    return session


def _was_sent(error: httpx.TransportError) -> bool:
    # httpx-aiohttp calls every broken connection a ConnectTimeout, also one that broke after the request had left
    if isinstance(error.__cause__, aiohttp.ClientError):
        return not isinstance(error.__cause__, _NOT_CONNECTED)
    return not isinstance(error, _UNSENT)


def _is_literal(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return False
    return True
