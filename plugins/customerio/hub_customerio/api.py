"""The two APIs of a workspace: which hosts they are at, who we are to each, and the App API's own limit.

Track writes people and membership (Basic); App reads and makes segments and tells of messages (Bearer). Both are of one
region, which `GET /api/v1/accounts/region` tells at either regional host. Whoever sets `base_url` (a sandbox, a proxy)
has both APIs there: their paths do not overlap (`/api/v1/...`, `/api/v2/...` and `/v1/...`).
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from hub import PartnerClient, PartnerUnavailable, SettingsWrong
from hub_customerio.answers import explain
from hub_customerio.settings import CustomerIOSettings

TRACK_HOSTS = {"us": "https://track.customer.io", "eu": "https://track-eu.customer.io"}
APP_HOSTS = {"us": "https://api.customer.io", "eu": "https://api-eu.customer.io"}
APP_REQUESTS, APP_SECONDS = 10, 1.0
"""What the App API allows a workspace: https://docs.customer.io/integrations/api/app/ (rate limits)."""


@dataclass(frozen=True)
class Workspace:
    """Where a workspace is: its id, its region, and the addresses of its two APIs."""

    id: str
    region: str
    track: str
    app: str


class Api:
    """Requests to both APIs. Everything about a region is asked once."""

    def __init__(self, http: PartnerClient, settings: CustomerIOSettings) -> None:
        track_key, app_key = settings.track_api_key.get_secret_value(), settings.app_api_key.get_secret_value()
        pair = b64encode(f"{settings.site_id}:{track_key}".encode()).decode()
        self._http, self._settings = http, settings
        self._as_track = {"Authorization": f"Basic {pair}"}
        self._as_app = {"Authorization": f"Bearer {app_key}"}
        self._workspace: Workspace | None = None
        self._asking = asyncio.Lock()
        self._turns = _Turns(APP_REQUESTS, APP_SECONDS)
        # the longest first: none may be a part of another
        http.explain = partial(explain, secrets=sorted((track_key, app_key, pair), key=len, reverse=True))

    async def workspace(self) -> Workspace:
        """Where the workspace is, as Track tells. Raises SettingsWrong when that is not the region that was set."""
        async with self._asking:
            if self._workspace is None:
                told = await self._http.get("/api/v1/accounts/region", headers=self._as_track)
                self._workspace = _workspace(told, self._settings)
            return self._workspace

    async def track(
        self, path: str, body: Any, *, params: Mapping[str, str] | None = None
    ) -> tuple[httpx.Response, dict[str, Any]]:
        """POST to the Track API; the answer, and its JSON object, empty when it has none.

        Raises PartnerUnavailable when the answer is no JSON: it is not Customer.io's.
        """
        workspace = await self.workspace()
        response = await self._http.request(
            "POST", workspace.track + path, params=params, body=body, headers=self._as_track
        )
        document = self._http.json(response)
        return response, document if isinstance(document, dict) else {}

    async def app_get(self, path: str, *, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET a JSON object from the App API, trying again while it is busy or away."""
        workspace = await self.workspace()
        await self._turns.next()
        answer = await self._http.get(workspace.app + path, params=params, headers=self._as_app)
        return _object(answer, path)

    async def app(
        self, method: str, path: str, body: Any = None, *, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send something to the App API; the JSON object that it answers, empty when it answers none."""
        workspace = await self.workspace()
        await self._turns.next()
        response = await self._http.request(
            method, workspace.app + path, params=params, body=body, headers=self._as_app
        )
        answer = self._http.json(response)
        return _object(answer, path) if answer is not None else {}


class _Turns:
    """At most so many requests in any so many seconds, of this connector alone: others are told by a 429."""

    def __init__(self, requests: int, seconds: float) -> None:
        self._seconds = seconds
        self._begun = deque[float](maxlen=requests)
        self._lock = asyncio.Lock()

    async def next(self) -> None:
        """Wait until a request may begin."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            if len(self._begun) == self._begun.maxlen:
                await asyncio.sleep(max(0.0, self._begun[0] + self._seconds - loop.time()))
            self._begun.append(loop.time())


def _workspace(told: Any, settings: CustomerIOSettings) -> Workspace:
    if not isinstance(told, dict) or not isinstance(told.get("region"), str):
        raise PartnerUnavailable("Customer.io's Track API did not tell the workspace's region.")
    region, wanted = told["region"].lower(), settings.region
    if wanted not in ("auto", region):
        raise SettingsWrong(
            f"Wrong region: the workspace is in {region.upper()}, and this connection's region is {wanted}.",
            hint=f"Set the region to {region}, or to auto.",
        )
    if settings.base_url:
        track = app = settings.base_url.rstrip("/")
    elif region in TRACK_HOSTS:
        # not the `url` of the answer: the keys go to Customer.io's own hosts and nowhere else
        track, app = TRACK_HOSTS[region], APP_HOSTS[region]
    else:
        raise SettingsWrong(
            f"Customer.io says that the workspace is in the region {region!r}, which this connector does not know.",
            hint="A newer version of the plugin may know it.",
        )
    return Workspace(str(told.get("environment_id") or settings.site_id), region, track, app)


def _object(answer: Any, path: str) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise PartnerUnavailable(f"Customer.io's App API answered {path} with something that is no object.")
    return answer
