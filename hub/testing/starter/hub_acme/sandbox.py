"""Acme on this machine: as much of its API as the connector uses, with a look inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.testing.sandbox import Limit, RateLimit, Sandbox, open_database, transaction

API_KEY = "acme-sandbox-0123456789"  # opens nothing but the sandbox
MOST = 100
PAGE = 50
SCHEMA = """
CREATE TABLE IF NOT EXISTS groups (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS people (group_id INTEGER, email TEXT, fields TEXT, PRIMARY KEY (group_id, email));
"""


class AcmeSandbox(Sandbox):
    """Acme on this machine."""

    name = "acme"
    label = "Acme"
    default_port = 8890

    def __init__(self, home: Path, *, keep_bodies: bool = False) -> None:
        super().__init__(home, keep_bodies=keep_bodies)
        self.db = open_database(home / "acme.db", SCHEMA)

    def settings(self, url: str) -> dict[str, str]:
        """The key that is accepted, and the address."""
        return {"api_key": API_KEY, "base_url": f"{url}/v1"}

    def account_limits(self) -> Sequence[Limit]:
        """What Acme's page on limits says: 600 requests in a minute."""
        return [RateLimit(600, 60)]

    def app(self) -> Starlette:
        """The API."""
        return Starlette(
            routes=[
                Route("/v1/account", self.account),
                Route("/v1/groups", self.open_group, methods=["POST"]),
                Route("/v1/groups/{group:int}", self.delete, methods=["DELETE"]),
                Route("/v1/groups/{group:int}/add", self.add, methods=["POST"]),
                Route("/v1/groups/{group:int}/remove", self.remove, methods=["POST"]),
                Route("/v1/groups/{group:int}/people", self.people),
            ]
        )

    def admin_routes(self) -> list[Route]:
        """A look inside."""
        return [Route("/_sandbox/people", self.show_people)]

    def member_keys(self, method: str, path: str, body: bytes) -> list[str] | None:
        """The addresses that a request adds, or removes (with a - in front)."""
        if path.endswith("/add"):
            return [person["email"] for person in json.loads(body)["people"]]
        return [f"-{email}" for email in json.loads(body)["emails"]] if path.endswith("/remove") else None

    def state(self) -> dict[str, Any]:
        """Rows by table."""
        return {table: self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("groups", "people")}

    def reset(self) -> None:
        """Hold nothing."""
        with transaction(self.db):
            self.db.execute("DELETE FROM groups")
            self.db.execute("DELETE FROM people")

    def close(self) -> None:
        """Close the files."""
        self.db.close()
        super().close()

    async def account(self, request: Request) -> Response:
        """Whose key it is."""
        return self.refused(request) or JSONResponse({"id": "acme-1", "name": "Sandbox account"})

    async def open_group(self, request: Request) -> Response:
        """Find or make a group."""
        if wrong := self.refused(request):
            return wrong
        name = (await request.json())["name"]
        with transaction(self.db):
            self.db.execute("INSERT OR IGNORE INTO groups (name) VALUES (?)", (name,))
        group = self.db.execute("SELECT id FROM groups WHERE name = ?", (name,)).fetchone()[0]
        return JSONResponse({"id": group, "name": name})

    async def add(self, request: Request) -> Response:
        """Put people into a group. An address without an @ is refused by name; a field of null is emptied."""
        if wrong := self.refused(request):
            return wrong
        group, people = request.path_params["group"], (await request.json())["people"]
        if len(people) > MOST:
            return self.refusal(400, f"at most {MOST} people in a request")
        taken = [person for person in people if "@" in person["email"]]
        with transaction(self.db):
            self.db.executemany(
                "INSERT OR IGNORE INTO people VALUES (?, ?, '{}')", [(group, person["email"]) for person in taken]
            )
            self.db.executemany(
                "UPDATE people SET fields = json_patch(fields, ?) WHERE group_id = ? AND email = ?",
                [(json.dumps(person["fields"]), group, person["email"]) for person in taken],
            )
        refused = [person["email"] for person in people if "@" not in person["email"]]
        return JSONResponse({"refused": [{"email": email, "reason": "no e-mail address"} for email in refused]})

    async def remove(self, request: Request) -> Response:
        """Take people out of a group."""
        if wrong := self.refused(request):
            return wrong
        group, emails = request.path_params["group"], (await request.json())["emails"]
        with transaction(self.db):
            self.db.executemany(
                "DELETE FROM people WHERE group_id = ? AND email = ?", [(group, email) for email in emails]
            )
        return JSONResponse({"refused": []})

    async def people(self, request: Request) -> Response:
        """A page of a group, after an address."""
        if wrong := self.refused(request):
            return wrong
        rows = self.db.execute(
            "SELECT email, fields FROM people WHERE group_id = ? AND email > ? ORDER BY email LIMIT ?",
            (request.path_params["group"], request.query_params.get("after", ""), PAGE),
        )
        return JSONResponse([{"email": row["email"], "fields": json.loads(row["fields"])} for row in rows])

    async def delete(self, request: Request) -> Response:
        """Delete a group; one that is gone is fine. The connector comes to use this in the hub's tutorial."""
        wrong = self.refused(request)
        if wrong and wrong.status_code != 410:
            return wrong
        with transaction(self.db):
            self.db.execute("DELETE FROM people WHERE group_id = ?", (request.path_params["group"],))
            self.db.execute("DELETE FROM groups WHERE id = ?", (request.path_params["group"],))
        return Response(status_code=204)

    async def show_people(self, request: Request) -> Response:
        """Everybody in every group: group, email, fields."""
        rows = self.db.execute(
            "SELECT name, email, fields FROM people JOIN groups ON groups.id = group_id ORDER BY 1, 2"
        )
        return JSONResponse([dict(row) for row in rows])

    def refused(self, request: Request) -> Response | None:
        """The refusal of a request with a wrong key, or to a group that is gone; None when it may go on."""
        if request.headers.get("x-api-key") != API_KEY:
            return self.refusal(401, "this key is not known")
        group = request.path_params.get("group")
        known = group is None or self.db.execute("SELECT 1 FROM groups WHERE id = ?", (group,)).fetchone()
        return None if known else self.refusal(410, "this group is gone")
