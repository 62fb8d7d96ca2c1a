"""`/batches`: operations handed in, really carried out after a while, their answers in an archive at a storage.

The archive's address holds for ten minutes and takes no credential; the storage refuses one, as Google's does.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import io
import secrets
import sqlite3
import tarfile
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from hub.testing.sandbox import transaction
from hub_mailchimp.sandbox.account import Account, iso, now
from hub_mailchimp.sandbox.problems import Problem, answer, invalid, not_found, of_status
from hub_mailchimp.sandbox.web import MOST_ROWS, ApiRoute, Call, Json, filtered, parsed, route, worked

MOST_PENDING = 500
HOLDS_SECONDS = 600
ANSWERS_A_FILE = 40
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
STAGES = ("pending", "preprocessing", "started", "finalizing")


class Batches:
    """The batches of an account, whose operations are requests to the routes of its API."""

    def __init__(self, account: Account, api: Sequence[Route]) -> None:
        self._account = account
        self._db = account.db
        self._api = [each for each in api if isinstance(each, ApiRoute)]
        self._key = secrets.token_bytes(16)

    def routes(self) -> list[Route]:
        """The endpoints, and the storage."""
        return [
            route(self._account, "/batches", get=self.list, post=self.create),
            route(self._account, "/batches/{batch_id}", get=self.get, delete=self.delete),
            Route("/storage/{batch_id}.tar.gz", self.storage),
        ]

    def create(self, call: Call) -> Json:
        """POST /batches"""
        operations = call.rows("operations")
        if not operations:
            raise invalid("operations", "This value should not be blank.")
        for each in operations:
            _check(each)
        pending = self._db.execute("SELECT count(*) FROM batches WHERE completed IS NULL").fetchone()[0]
        if pending >= MOST_PENDING:
            raise Problem(429, "Too Many Requests", f"You have more than {MOST_PENDING} pending batches.")
        batch_id = secrets.token_hex(5)
        self._db.execute(
            "INSERT INTO batches (id, operations, submitted, total) VALUES (?, ?, ?, ?)",
            (batch_id, orjson.dumps(operations).decode(), time.time(), len(operations)),
        )
        return self._shown(self._row(batch_id), call)

    def list(self, call: Call) -> Json:
        """GET /batches"""
        count, offset = call.page()
        rows = self._db.execute("SELECT * FROM batches ORDER BY submitted DESC").fetchall()
        page = [self._shown(self._worked_on(row), call) for row in rows[offset : offset + count]]
        return {"batches": page, "total_items": len(rows)}

    def get(self, call: Call) -> Json:
        """GET /batches/{batch_id}"""
        return self._shown(self._worked_on(self._row(str(call.path["batch_id"]))), call)

    def delete(self, call: Call) -> None:
        """DELETE /batches/{batch_id}"""
        self._db.execute("DELETE FROM batches WHERE id = ?", (self._row(str(call.path["batch_id"]))["id"],))

    async def storage(self, request: Request) -> Response:
        """The archive, for whoever has its address, and no credential."""
        batch_id, query = request.path_params["batch_id"], request.query_params
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidArgument</Code></Error>", 400, media_type="application/xml")
        signed = self._signature(batch_id, query.get("expires", ""))
        if not hmac.compare_digest(signed, query.get("signature", "")) or int(query["expires"]) < now():
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        row = self._db.execute("SELECT results FROM batches WHERE id = ?", (batch_id,)).fetchone()
        if row is None:
            return answer(not_found())
        return Response(row["results"], media_type="application/gzip")

    def _worked_on(self, row: sqlite3.Row) -> sqlite3.Row:
        """The batch after what time has done to it: its operations are carried out when it is their time."""
        if row["completed"] is not None or time.time() - row["submitted"] < self._account.batch_seconds:
            return row
        results = [result for each in orjson.loads(row["operations"]) for result in self._carried_out(each)]
        errored = len({each["operation_id"] for each in results if each["status_code"] >= 300})
        with transaction(self._db):
            self._db.execute(
                "UPDATE batches SET completed = ?, total = ?, errored = ?, results = ? WHERE id = ?",
                (time.time(), len(results), errored, _archive(row["id"], results), row["id"]),
            )
        return self._row(row["id"])

    def _carried_out(self, operation: Json) -> Iterator[Json]:
        """The answers to an operation: one, or one for each page of a collection that is asked for without `count`."""
        fault = next((each for each in self._account.batch_faults if _strikes(each, operation)), None)
        if fault:
            fault["count"] -= 1
            yield _result(operation, fault["status"], _problem_body(of_status(fault["status"])))
            return
        params = {name: str(value) for name, value in (operation.get("params") or {}).items()}
        whole = operation["method"] == "GET" and "count" not in params
        if whole:
            params["count"] = str(MOST_ROWS)
        offset = int(params.get("offset", 0))
        while True:
            status, body = self._answered(operation, {**params, "offset": str(offset)} if whole else params)
            yield _result(operation, status, body)
            offset += MOST_ROWS
            if not whole or status >= 300 or offset >= int(body.get("total_items", 0)):
                return

    def _answered(self, operation: Json, params: dict[str, str]) -> tuple[int, Json]:
        scope = {"type": "http", "method": operation["method"], "path": f"/3.0{operation['path']}", "root_path": ""}
        try:
            for each in self._api:
                match, found = each.matches(scope)
                if match is Match.FULL:
                    query = QueryParams(params)
                    body = parsed(str(operation.get("body") or "").encode())
                    done = worked(
                        each.handlers, operation["method"], Call(self._account, found["path_params"], query, body)
                    )
                    if done is None:
                        return 204, {}
                    return 200, filtered(done, query.get("fields"), query.get("exclude_fields"))
        except Problem as problem:
            return problem.status, _problem_body(problem)
        return 404, _problem_body(not_found())

    def _row(self, batch_id: str) -> sqlite3.Row:
        row = self._db.execute("SELECT * FROM batches WHERE id = ?", (batch_id,)).fetchone()
        if row is None:
            raise not_found()
        found: sqlite3.Row = row
        return found

    def _shown(self, row: sqlite3.Row, call: Call) -> Json:
        done = row["completed"] is not None
        share = (time.time() - row["submitted"]) / max(self._account.batch_seconds, 0.001)
        expires = str(now() + HOLDS_SECONDS)
        query = urlencode({"expires": expires, "signature": self._signature(row["id"], expires)})
        return {
            "id": row["id"],
            "status": "finished" if done else STAGES[min(int(share * len(STAGES)), len(STAGES) - 1)],
            "total_operations": row["total"],
            "finished_operations": row["total"] if done else 0,
            "errored_operations": row["errored"],
            "submitted_at": iso(int(row["submitted"])),
            "completed_at": iso(int(row["completed"])) if done else "",
            "response_body_url": f"{call.site}/storage/{row['id']}.tar.gz?{query}" if done else "",
        }

    def _signature(self, batch_id: str, expires: str) -> str:
        return hmac.new(self._key, f"{batch_id}:{expires}".encode(), hashlib.sha256).hexdigest()


def _check(operation: Any) -> None:
    if not isinstance(operation, dict) or operation.get("method") not in METHODS:
        raise invalid("operations", "Each operation has a method and a path.")
    if not str(operation.get("path") or "").startswith("/"):
        raise invalid("operations.path", "A path begins with a slash.")
    if not isinstance(operation.get("body", ""), str):
        raise invalid("operations.body", "Schema describes string, object found instead")
    if operation.get("params") and operation["method"] != "GET":
        raise invalid("operations.params", "Parameters are for GET only.")


def _strikes(fault: Json, operation: Json) -> bool:
    return fault["count"] > 0 and fault["contains"] in str(operation.get("operation_id", ""))


def _result(operation: Json, status: int, body: Json) -> Json:
    told = orjson.dumps(body).decode() if body else ""
    return {"status_code": status, "operation_id": str(operation.get("operation_id") or ""), "response": told}


def _problem_body(problem: Problem) -> Json:
    found: Json = orjson.loads(answer(problem).body)
    return found


def _archive(batch_id: str, results: Sequence[Json]) -> bytes:
    """A tar.gz with the answers in several files, below a folder, in no order that anybody could rely on."""
    shuffled = sorted(results, key=lambda each: hashlib.md5(orjson.dumps(each), usedforsecurity=False).digest())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for start in range(0, len(shuffled), ANSWERS_A_FILE):
            content = orjson.dumps(shuffled[start : start + ANSWERS_A_FILE])
            file = tarfile.TarInfo(f"./{batch_id}-{start // ANSWERS_A_FILE}.json")
            file.size = len(content)
            tar.addfile(file, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)
