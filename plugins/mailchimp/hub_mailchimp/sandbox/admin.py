"""Mailchimp's own admin endpoints: put people there, look at tags, send campaigns, forget and unsubscribe."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import refuse_admin, transaction
from hub_mailchimp.sandbox import tags
from hub_mailchimp.sandbox.account import FIRST_LIST, Account, add_list, now
from hub_mailchimp.sandbox.contacts import WRITABLE, Contact, brief, contact_of, find, forget, save, subscriber_hash
from hub_mailchimp.sandbox.happenings import happening, queue, queue_campaign
from hub_mailchimp.sandbox.merge_fields import fields_of
from hub_mailchimp.sandbox.simulation import CampaignOrder, send, subscribed

CHUNK = 5_000


class MailchimpAdmin:
    """The endpoints, on one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._db = account.db

    def routes(self) -> list[Route]:
        """The routes below `/_sandbox`."""
        return [
            Route("/_sandbox/lists", self.add_list, methods=["POST"]),
            Route("/_sandbox/contacts", self.contact),
            Route("/_sandbox/contacts", self.put_contacts, methods=["POST"]),
            Route("/_sandbox/contacts/unsubscribe", self.unsubscribe, methods=["POST"]),
            Route("/_sandbox/contacts/confirm", self.confirm, methods=["POST"]),
            Route("/_sandbox/forget", self.forget, methods=["POST"]),
            Route("/_sandbox/tags", self.tags),
            Route("/_sandbox/tags/{tag:path}/members", self.tag_members),
            Route("/_sandbox/campaigns", self.send_campaign, methods=["POST"]),
        ]

    async def add_list(self, request: Request) -> Response:
        """Add an audience: {name, id?, double_optin?}."""
        given = await _json(request)
        list_id = str(given.get("id") or secrets.token_hex(5))
        try:
            with self._writing():
                add_list(
                    self._db, list_id, str(given.get("name", "Audience")), double_optin=bool(given.get("double_optin"))
                )
        except sqlite3.IntegrityError as exc:
            raise refuse_admin(f"there is an audience {list_id} already") from exc
        return _answer({"id": list_id}, 201)

    async def contact(self, request: Request) -> Response:
        """Somebody on every audience, with status, merge fields and tags: ?email=."""
        digest = subscriber_hash(request.query_params.get("email", ""))
        rows = self._db.execute("SELECT * FROM contacts WHERE hash = ? ORDER BY id", (digest,)).fetchall()
        forgotten = self._db.execute("SELECT list_id FROM forgotten WHERE hash = ?", (digest,))
        return _answer(
            {
                "contacts": [self._shown(contact_of(row)) for row in rows],
                "forgotten_on": [row["list_id"] for row in forgotten],
            }
        )

    def _shown(self, contact: Contact) -> dict[str, Any]:
        names = [tag["name"] for tag in tags.of_contact(self._db, contact.id)]
        return {**brief(contact, fields_of(self._db, contact.list_id)), "tags": names}

    async def put_contacts(self, request: Request) -> Response:
        """Put contacts with a status, whatever they were: {list_id?, contacts: [{email, status?}]} or NDJSON."""
        list_id, rows = await _contacts_in(request)
        self._audience(list_id)
        created = 0
        with self._writing():
            for start in range(0, len(rows), CHUNK):
                created += self._put(list_id, rows[start : start + CHUNK])
        return _answer({"list_id": list_id, "created": created, "given": len(rows)})

    def _put(self, list_id: str, rows: Sequence[dict[str, Any]]) -> int:
        wanted = {subscriber_hash(row["email"]): row for row in rows}
        known = find(self._db, list_id, wanted)
        moment = now()
        save(
            self._db,
            [
                known[digest]._replace(status=row["status"], archived=0, changed=moment)
                if digest in known
                else Contact(
                    0, list_id, digest, row["email"].strip(), row["status"], 0, "html",
                    orjson.dumps(row["merge_fields"]).decode(), moment, moment,
                )
                for digest, row in wanted.items()
            ],
        )  # fmt: skip
        return len(wanted) - len(known)

    async def unsubscribe(self, request: Request) -> Response:
        """People unsubscribe by themselves: {emails, list_id?}."""
        return _answer(await self._change(request, "unsubscribed"))

    async def confirm(self, request: Request) -> Response:
        """People follow the link in the confirmation mail, or sign up again: {emails, list_id?}."""
        return _answer(await self._change(request, "subscribed"))

    async def _change(self, request: Request, status: str) -> dict[str, Any]:
        given = await _json(request)
        list_id = str(given.get("list_id", FIRST_LIST))
        there, missing = tags.present(self._db, list_id, list(given.get("emails", [])))
        with self._writing():
            self._db.executemany(
                "UPDATE contacts SET status = ?, changed = ? WHERE id = ?",
                [(status, now(), contact.id) for contact in there],
            )
            for contact in find(self._db, list_id, [each.hash for each in there]).values():
                queue(self._db, list_id, happening(self._db, status.removesuffix("d"), contact), source="user")
        return {"changed": len(there), "unknown": missing}

    async def forget(self, request: Request) -> Response:
        """Delete somebody permanently, so that the address can never be imported again: {email, list_id?}."""
        given = await _json(request)
        list_id, digest = str(given.get("list_id", FIRST_LIST)), subscriber_hash(str(given.get("email", "")))
        contact = find(self._db, list_id, [digest]).get(digest)
        with self._writing():
            if contact is not None:
                forget(self._db, contact)
            self._db.execute("INSERT OR IGNORE INTO forgotten VALUES (?, ?)", (list_id, digest))
        return _answer({"was_there": contact is not None})

    async def tags(self, request: Request) -> Response:
        """Every tag with its id, name, audience and present number of members."""
        rows = self._db.execute(
            "SELECT s.id, s.name, s.list_id, (SELECT count(*) FROM segment_members m JOIN contacts c"
            " ON c.id = m.contact_id WHERE m.segment_id = s.id AND c.archived = 0) AS count"
            " FROM segments s ORDER BY s.id"
        )
        return _answer({"tags": [dict(row) for row in rows]})

    async def tag_members(self, request: Request) -> Response:
        """The sorted addresses in a tag, by id or name: ?status=, ?list_id=, ?format=ndjson."""
        row = self._tag(request.path_params["tag"], request.query_params.get("list_id"))
        status = request.query_params.get("status")
        found = self._db.execute(
            "SELECT c.email FROM segment_members m JOIN contacts c ON c.id = m.contact_id"
            " WHERE m.segment_id = ? AND c.archived = 0 AND c.status = coalesce(?, c.status)",
            (row["id"], status),
        )
        emails = sorted(email for (email,) in found)
        if request.query_params.get("format") == "ndjson":
            lines = b"".join(orjson.dumps({"email": email}) + b"\n" for email in emails)
            return Response(lines, media_type="application/x-ndjson")
        return _answer({"id": row["id"], "name": row["name"], "count": len(emails), "emails": emails})

    async def send_campaign(self, request: Request) -> Response:
        """Send to the subscribed members of a tag or list, and simulate what they do; the counts of it."""
        try:
            order = CampaignOrder.model_validate(await _json(request))
        except ValidationError as exc:
            raise refuse_admin("; ".join(_sentence(error) for error in exc.errors())) from exc
        self._audience(order.list_id)
        wanted = order.tag if order.segment_id is None else str(order.segment_id)
        if wanted is not None:
            order = order.model_copy(update={"segment_id": self._tag(wanted, order.list_id)["id"]})
        with self._writing():
            counts = send(self._account, order, subscribed(self._account, order))
            queue_campaign(self._db, order.list_id, counts["id"])
        return _answer(counts, 201)

    def _tag(self, wanted: str, list_id: str | None) -> sqlite3.Row:
        """A tag by name, else by id. Raises 404, or 409 when several audiences have the name."""
        rows = self._db.execute(
            "SELECT * FROM segments WHERE folded = ? AND list_id = coalesce(?, list_id)", (wanted.casefold(), list_id)
        ).fetchall()
        if not rows and wanted.isascii() and wanted.isdigit():
            rows = self._db.execute(
                "SELECT * FROM segments WHERE id = ? AND list_id = coalesce(?, list_id)", (int(wanted), list_id)
            ).fetchall()
        if not rows:
            raise refuse_admin(f"no tag {wanted!r}", 404)
        if len(rows) > 1:
            raise refuse_admin(f"several audiences have a tag {wanted!r}: add list_id=", 409)
        row: sqlite3.Row = rows[0]
        return row

    def _audience(self, list_id: str) -> None:
        if self._db.execute("SELECT 1 FROM lists WHERE id = ?", (list_id,)).fetchone() is None:
            raise refuse_admin(f"no audience {list_id!r}", 404)

    def _writing(self) -> _Writing:
        return _Writing(self._account)


class _Writing:
    """A transaction, after which cached pages and statistics are forgotten."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._transaction = transaction(account.db)

    def __enter__(self) -> None:
        self._transaction.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._transaction.__exit__(*failure)
        self._account.written()
        self._account.counts.clear()


async def _json(request: Request) -> dict[str, Any]:
    try:
        given = orjson.loads(await request.body())
    except orjson.JSONDecodeError as exc:
        raise refuse_admin(f"not JSON: {exc}") from exc
    if not isinstance(given, dict):
        raise refuse_admin("a JSON object is wanted")
    return given


async def _contacts_in(request: Request) -> tuple[str, list[dict[str, Any]]]:
    if "ndjson" not in request.headers.get("content-type", ""):
        given = await _json(request)
        return str(given.get("list_id", FIRST_LIST)), _checked(given.get("contacts", []))
    lines = (await request.body()).splitlines()
    try:
        rows = [orjson.loads(line) for line in lines if line.strip()]
    except orjson.JSONDecodeError as exc:
        raise refuse_admin(f"a line is not JSON: {exc}") from exc
    return request.query_params.get("list_id", FIRST_LIST), _checked(rows)


def _checked(rows: Iterable[Any]) -> list[dict[str, Any]]:
    checked = []
    for place, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("email"), str):
            raise refuse_admin(f"contact {place}: an object with an email is wanted")
        status = row.get("status", "subscribed")
        if status not in WRITABLE:
            raise refuse_admin(f"contact {place}: status is one of {', '.join(sorted(WRITABLE))}")
        checked.append({"email": row["email"], "status": status, "merge_fields": row.get("merge_fields", {})})
    return checked


def _answer(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _sentence(error: Any) -> str:
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
