"""The sandbox itself: Braze's routes on one workspace, its limits, its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import Sandbox, open_database
from hub_braze.sandbox.admin import BrazeAdmin
from hub_braze.sandbox.partners import Partners
from hub_braze.sandbox.rest import Rest
from hub_braze.sandbox.web import Edge, Refused, answer
from hub_braze.sandbox.workspace import CLIENT_SECRET, PARTNER, PARTNER_KEY, REST_KEY, SCHEMA, TABLES, Workspace

LAG = 1.0
"""Seconds until what was accepted is applied. Braze promises no time, and advises to leave five minutes."""


def partner_settings(url: str) -> dict[str, str]:
    """The settings with which a connection of the connector `braze-cohorts` reaches this sandbox at `url`."""
    return {
        "partner": PARTNER,
        "partner_api_key": PARTNER_KEY,
        "client_secret": CLIENT_SECRET,
        "base_url": url,
    }


class BrazeSandbox(Sandbox):
    """Braze on this machine. `lag` is how many seconds after its answer a write is applied."""

    name = "braze"
    label = "Braze"
    default_port = 8804

    def __init__(self, home: Path, *, keep_bodies: bool = False, lag: float = LAG) -> None:
        super().__init__(home, keep_bodies=keep_bodies)
        self._first_lag = lag
        self._workspace = Workspace(open_database(home / "braze.db", SCHEMA), lag)
        self._edge = Edge(self._workspace)

    def settings(self, url: str) -> dict[str, str]:
        """The documented key, and the API's address on this machine."""
        return {"api_key": REST_KEY, "base_url": url}

    def app(self) -> Starlette:
        """Both APIs."""
        rest, partners, route = Rest(self._workspace), Partners(self._workspace), self._edge.route
        return Starlette(
            routes=[
                route("POST", "/users/track", rest.track, "users.track"),
                route("POST", "/users/export/ids", rest.export, "users.export.ids"),
                route("GET", "/segments/list", rest.segments, "segments.list"),
                route("GET", "/email/unsubscribes", rest.unsubscribes, "email.unsubscribe"),
                route("GET", "/email/hard_bounces", rest.hard_bounces, "email.hard_bounces"),
                route("POST", "/partners/{partner}/cohorts", partners.create, None),
                route("POST", "/partners/{partner}/cohorts/users", partners.change, None),
            ],
            exception_handlers={HTTPException: _plain_error},
        )

    def admin_routes(self) -> list[Route]:
        """Users, cohorts, limits and Currents."""
        return BrazeAdmin(self._workspace, self._edge).routes()

    def member_keys(self, method: str, path: str, body: bytes) -> list[str] | None:
        """The keys of those written, who leaves with a `-` in front."""
        try:
            told = orjson.loads(body) if method == "POST" else None
        except orjson.JSONDecodeError:
            return None
        if not isinstance(told, dict):
            return None
        try:
            return _keys(told)
        except (AttributeError, TypeError, KeyError):
            return None

    def refusal(self, status: int, reason: str) -> Response:
        """An error in Braze's shape."""
        return answer(Refused(status, reason))

    def state(self) -> dict[str, Any]:
        """Rows by table, and the data points that were spent."""
        db = self._workspace.db
        tables = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
        return {**tables, "data_points": self._workspace.figure("data_points")}

    def reset(self) -> None:
        """Nobody, the first key, the documented limits."""
        self._workspace.wipe()
        self._workspace.lag = self._first_lag
        self._edge.limits = Edge(self._workspace).limits

    def close(self) -> None:
        """Close the files."""
        self._workspace.db.close()
        super().close()


def _keys(told: dict[str, Any]) -> list[str] | None:
    if isinstance(told.get("attributes"), list):
        return [_key(each) for each in told["attributes"]]
    if isinstance(told.get("cohort_changes"), list):
        return [
            ("-" if change.get("should_remove") else "") + (each if isinstance(each, str) else each["alias_name"])
            for change in told["cohort_changes"]
            for kind in ("user_ids", "device_ids", "aliases")
            for each in change.get(kind) or ()
        ]
    return None


def _key(told: dict[str, Any]) -> str:
    known = told.get("external_id") or told.get("email") or told["user_alias"]["alias_name"]
    leaves = any(value is False for name, value in told.items() if not name.startswith("_"))
    return f"-{known}" if leaves else str(known)


async def _plain_error(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        raise exc
    return answer(Refused(exc.status_code, "Invalid URL" if exc.status_code == 404 else exc.detail))
