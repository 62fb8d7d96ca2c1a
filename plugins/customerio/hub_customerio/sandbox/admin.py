"""The sandbox's own admin endpoints: people, segments, messages, the webhook, and the workspace's facts."""

from __future__ import annotations

import sqlite3
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import refuse_admin, transaction
from hub_customerio.sandbox.sending import Order, Trip, Webhook, deliver, send
from hub_customerio.sandbox.workspace import Workspace, folded, identifiers, now

Model = TypeVar("Model", bound=BaseModel)


class CustomerIOAdmin:
    """The endpoints, on one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._db = workspace.db

    def routes(self) -> list[Route]:
        """The routes below `/_sandbox`."""
        return [
            Route("/_sandbox/people", self.people),
            Route("/_sandbox/people", self.put_people, methods=["POST"]),
            Route("/_sandbox/people/suppress", self.suppress, methods=["POST"]),
            Route("/_sandbox/segments", self.segments),
            Route("/_sandbox/segments", self.put_segment, methods=["POST"]),
            Route("/_sandbox/segments/{segment:path}/members", self.members),
            Route("/_sandbox/segments/{segment:path}/members", self.put_members, methods=["POST"]),
            Route("/_sandbox/settle", self.settle, methods=["POST"]),
            Route("/_sandbox/facts", self.facts, methods=["POST"]),
            Route("/_sandbox/messages", self.send, methods=["POST"]),
            Route("/_sandbox/webhook", self.webhook, methods=["POST"]),
            Route("/_sandbox/webhook/events", self.events),
            Route("/_sandbox/webhook/send", self.deliver, methods=["POST"]),
        ]

    async def people(self, request: Request) -> Response:
        """Everybody, or ?id= or ?email=: identifiers, attributes, suppressed."""
        asked = request.query_params
        rows = self._db.execute(
            "SELECT * FROM people WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR email = ?2) ORDER BY n",
            (asked.get("id"), asked.get("email")),
        )
        return _answer({"people": [_person(row) for row in rows]})

    async def put_people(self, request: Request) -> Response:
        """Put people there: {people: [{id?, email?, attributes?}]}."""
        given = (await _json(request)).get("people")
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise refuse_admin("people is a list of objects")
        rows = [
            (
                each.get("id"),
                folded("email", each["email"]) if each.get("email") else None,
                _text(each.get("attributes")),
            )
            for each in given
        ]
        with transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO people (id, email, attributes) VALUES (?, ?, ?)", rows)
        return _answer({"given": len(rows)}, 201)

    async def suppress(self, request: Request) -> Response:
        """Suppress people: {ids}. They take no changes, and come into no segment."""
        ids = [str(each) for each in (await _json(request)).get("ids", [])]
        self._db.executemany("UPDATE people SET suppressed = 1 WHERE id = ?", [(each,) for each in ids])
        return _answer({"suppressed": len(ids)})

    async def segments(self, request: Request) -> Response:
        """Every segment: id, name, type, used, members that show, changes that do not show yet."""
        self._workspace.settle()
        rows = self._db.execute(
            "SELECT id, name, type, used, (SELECT count(*) FROM members WHERE segment = id) AS members,"
            " (SELECT count(*) FROM pending WHERE segment = id) AS pending FROM segments ORDER BY id"
        )
        return _answer({"segments": [dict(row) for row in rows]})

    async def put_segment(self, request: Request) -> Response:
        """Make a segment: {name, type?: manual or dynamic, used?: whether a campaign uses it}."""
        given = await _json(request)
        row = (str(given.get("name")), "", str(given.get("type", "manual")), bool(given.get("used")), now(), now())
        made = self._db.execute(
            "INSERT INTO segments (name, description, type, used, created, updated) VALUES (?, ?, ?, ?, ?, ?)", row
        )
        return _answer({"id": made.lastrowid}, 201)

    async def members(self, request: Request) -> Response:
        """Who is in a segment, by id or name, changes that do not show yet included: ids, emails, people."""
        segment = self._segment(request.path_params["segment"])
        rows = self._db.execute(
            "SELECT p.* FROM people p WHERE coalesce((SELECT inside FROM pending WHERE segment = ?1 AND person = p.n"
            " ORDER BY seq DESC LIMIT 1), EXISTS (SELECT 1 FROM members WHERE segment = ?1 AND person = p.n))",
            (segment,),
        ).fetchall()
        ids, emails = (sorted(row[name] for row in rows if row[name]) for name in ("id", "email"))
        return _answer({"count": len(rows), "ids": ids, "emails": emails, "people": [_person(row) for row in rows]})

    async def put_members(self, request: Request) -> Response:
        """Put people into a segment by hand, so that it shows at once: {ids}."""
        segment = self._segment(request.path_params["segment"])
        known = self._workspace.find("id", [str(each) for each in (await _json(request)).get("ids", [])])
        rows = [(segment, row["n"]) for row in known.values()]
        self._db.executemany("INSERT OR IGNORE INTO members VALUES (?, ?)", rows)
        return _answer({"put": len(rows)}, 201)

    async def settle(self, request: Request) -> Response:
        """Let every change of a segment show now."""
        with transaction(self._db):
            self._workspace.settle(all_of_it=True)
        return Response(status_code=204)

    async def facts(self, request: Request) -> Response:
        """Change what the workspace is: {region?: us or eu, unknown_ids?: create or ignore}."""
        for name, value in (await _json(request)).items():
            allowed = {"region": ("us", "eu"), "unknown_ids": ("create", "ignore")}.get(name, ())
            if value not in allowed:
                raise refuse_admin(f"{name} is one of {', '.join(allowed) or 'nothing'}")
            self._workspace.state_fact(name, value)
        return Response(status_code=204)

    async def send(self, request: Request) -> Response:
        """Send to all in a segment, and simulate what they do: {segment, type?, sort?, origin?, rates?, seed? ...}."""
        order = _valid(Order, await _json(request))
        segment = self._segment(order.segment)
        with transaction(self._db):
            counts = send(self._workspace, order, segment)
        return _answer(counts, 201)

    async def webhook(self, request: Request) -> Response:
        """Make the reporting webhook: {url, signing_key, full_resolution?}."""
        webhook = _valid(Webhook, await _json(request))
        self._workspace.state_fact("webhook", webhook.model_dump())
        return Response(status_code=204)

    async def events(self, request: Request) -> Response:
        """The webhook's events: seq, state (waiting, sent), attempts, the last answer, the event."""
        rows = self._db.execute("SELECT * FROM outbox ORDER BY seq")
        return _answer({"events": [{**dict(row), "event": orjson.loads(row["event"])} for row in rows]})

    async def deliver(self, request: Request) -> Response:
        """Send what waits to the webhook, in order, with back-off: {attempts?, wait?, limit?, again?}."""
        if self._workspace.fact("webhook") is None:
            raise refuse_admin("there is no webhook yet: POST /_sandbox/webhook makes it")
        return _answer(await deliver(self._workspace, _valid(Trip, await _json(request))))

    def _segment(self, wanted: str) -> int:
        """A segment by name, else by id. Raises 404."""
        row = self._db.execute(
            "SELECT id FROM segments WHERE name = ?1 OR id = ?1 ORDER BY name != ?1, id", (wanted,)
        ).fetchone()
        if row is None:
            raise refuse_admin(f"no segment {wanted!r}", 404)
        return int(row["id"])


def _person(row: sqlite3.Row) -> dict[str, Any]:
    return {**identifiers(row), "attributes": orjson.loads(row["attributes"]), "suppressed": bool(row["suppressed"])}  # type: ignore[arg-type]


def _text(attributes: Any) -> str:
    return orjson.dumps(attributes or {}).decode()


def _valid(model: type[Model], given: Any) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        wrong = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        raise refuse_admin("; ".join(wrong)) from error


async def _json(request: Request) -> dict[str, Any]:
    try:
        given = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError as error:
        raise refuse_admin(f"not JSON: {error}") from error
    if not isinstance(given, dict):
        raise refuse_admin("a JSON object is wanted")
    return given


def _answer(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
