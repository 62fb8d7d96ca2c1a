"""A look inside the sandbox, and what Braze does by itself: users, cohorts, limits, Currents."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import refuse_admin, transaction
from hub_braze.sandbox.currents import EVENTS_A_BATCH, Currents, numbering, write
from hub_braze.sandbox.engagement import Event, campaign, one_of_each
from hub_braze.sandbox.web import Edge, Window, documented
from hub_braze.sandbox.workspace import Workspace


class Told(BaseModel):
    """Which events Currents tell: given ones, those of a campaign to who has an attribute, or one of each type."""

    model_config = ConfigDict(extra="forbid")

    events: list[Event] = Field(default_factory=list)
    campaign: str = ""
    attribute: str = ""
    at: int = 0
    quiet: bool = False
    test: bool = False
    url: str = ""
    token: str = ""
    batch: int = EVENTS_A_BATCH
    folder: str = ""
    form: str = "avro"


class BrazeAdmin:
    """The sandbox's own admin endpoints."""

    def __init__(self, workspace: Workspace, edge: Edge) -> None:
        self._workspace, self._edge = workspace, edge
        self._currents, self._offsets = Currents(workspace), numbering()

    def routes(self) -> list[Route]:
        """Them all."""
        paths = {
            "/users": self.users, "/cohorts": self.cohorts, "/cohorts/{cohort}/members": self.members,
        }  # fmt: skip
        acts = {
            "/users": self.add_users, "/keys": self.set_key, "/limits": self.set_limit, "/lag": self.set_lag,
            "/process": self.process, "/addresses": self.add_addresses, "/currents/post": self.post_events,
            "/currents/retry": self.retry, "/currents/write": self.write_files,
        }  # fmt: skip
        looks = [Route(f"/_sandbox{path}", look) for path, look in paths.items()]
        return looks + [Route(f"/_sandbox{path}", act, methods=["POST"]) for path, act in acts.items()]

    async def users(self, request: Request) -> Response:
        """Users with their attributes; ?attribute=NAME those who have it, &value=true those with that value (JSON)."""
        ask = request.query_params
        value = orjson.loads(ask["value"]) if "value" in ask else None
        return _json({"users": [*self._workspace.users(attribute=ask.get("attribute", ""), value=value)]})

    async def add_users(self, request: Request) -> Response:
        """Make users: {"users": [{external_id?, email?, phone?, aliases?: [{label, name}], devices?, attributes?}]}."""
        users = (await _body(request)).get("users") or []
        with transaction(self._workspace.db):
            for user in users:
                self._workspace.make(user)
        return _json({"made": len(users)}, 201)

    async def cohorts(self, request: Request) -> Response:
        """Imported cohorts: cohort_id, name, created_at, size."""
        self._workspace.settle()
        rows = self._workspace.db.execute(
            "SELECT c.*, (SELECT count(*) FROM cohort_members m WHERE m.cohort_id = c.cohort_id) AS size"
            " FROM cohorts c ORDER BY name"
        )
        return _json({"cohorts": [dict(row) for row in rows]})

    async def members(self, request: Request) -> Response:
        """The members of an imported cohort, by its name or id: external_id, email, braze_id."""
        self._workspace.settle()
        rows = self._workspace.db.execute(
            "SELECT external_id, email, braze_id FROM cohort_members JOIN users ON id = user_id JOIN cohorts USING"
            " (cohort_id) WHERE ? IN (name, cohort_id) ORDER BY id",
            (request.path_params["cohort"],),
        )
        return _json({"members": [dict(row) for row in rows]})

    async def set_key(self, request: Request) -> Response:
        """Make a REST key, or change what it may: {"key": ..., "permissions": [...]}; none: it is revoked."""
        told = await _body(request)
        self._workspace.db.execute("DELETE FROM keys WHERE key = ?", (told["key"],))
        if told.get("permissions"):
            row = (told["key"], orjson.dumps(told["permissions"]).decode())
            self._workspace.db.execute("INSERT INTO keys VALUES (?, ?)", row)
        return Response(status_code=204)

    async def set_limit(self, request: Request) -> Response:
        """Set a limit: {"path": "/users/track", "limit": 10, "seconds": 3}; an empty body: as documented."""
        told = await _body(request)
        self._edge.limits |= (
            {told["path"]: Window(int(told["limit"]), float(told["seconds"]))} if told else documented()
        )
        return Response(status_code=204)

    async def set_lag(self, request: Request) -> Response:
        """Apply what is accepted so many seconds later: {"seconds": 5}."""
        self._workspace.lag = float((await _body(request))["seconds"])
        return Response(status_code=204)

    async def process(self, request: Request) -> Response:
        """Apply at once what was accepted."""
        return _json({"applied": self._workspace.settle(everything=True)})

    async def add_addresses(self, request: Request) -> Response:
        """Put addresses on a list: {"list": "unsubscribes" or "hard_bounces", "emails": [...], "at": seconds?}."""
        told = await _body(request)
        at = int(told.get("at") or time.time())
        self._workspace.db.executemany(
            "INSERT OR REPLACE INTO addresses VALUES (?, ?, ?)", [(told["list"], email, at) for email in told["emails"]]
        )
        return Response(status_code=204)

    async def post_events(self, request: Request) -> Response:
        """Post Currents: {"url", "token", and "events", or "campaign", "attribute", or "test": true}; none: a probe."""
        told = await _told(request)
        return _json(asdict(await self._currents.post(told.url, told.token, self._events(told), size=told.batch)))

    async def retry(self, request: Request) -> Response:
        """Post again what was not taken."""
        return _json(asdict(await self._currents.retry()))

    async def write_files(self, request: Request) -> Response:
        """Write Currents to files: {"folder", "form": avro, json or wrapped, and events as of /currents/post}."""
        told = await _told(request)
        if not Path(told.folder).is_absolute():
            raise refuse_admin("folder is an absolute path")
        events = self._events(told)
        files = await write(Path(told.folder), events, told.form, self._offsets)
        return _json({"events": len(events), "files": files})

    def _events(self, told: Told) -> Sequence[Event]:
        at = told.at or int(time.time())
        if told.campaign:
            people = [user for user in self._workspace.users(attribute=told.attribute, value=True) if user["email"]]
            return campaign(self._workspace, told.campaign, people, at, quiet=told.quiet)
        if told.test:
            nobody = {"braze_id": "5f8d04e2c9b1a7001c3e9a11", "external_id": "test-user", "email": "test@example.com"}
            return one_of_each(nobody, at)
        return told.events


async def _told(request: Request) -> Told:
    try:
        return Told.model_validate(await _body(request))
    except ValidationError as error:
        raise refuse_admin(str(error)) from error


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        told = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise refuse_admin(f"not JSON: {error}") from error
    if not isinstance(told, dict):
        raise refuse_admin("the body is a JSON object")
    return told


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
