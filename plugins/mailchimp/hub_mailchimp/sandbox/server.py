"""The sandbox itself: Mailchimp's routes on one account, its limit, its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import ConcurrencyLimit, Lagging, Limit, Sandbox, open_database
from hub_mailchimp.sandbox import batches, lists, members, merge_fields, reports, segments, webhooks
from hub_mailchimp.sandbox.account import API_KEY, SCHEMA, TABLES, Account, begin, wipe
from hub_mailchimp.sandbox.admin import MailchimpAdmin
from hub_mailchimp.sandbox.admin_webhooks import WebhookAdmin
from hub_mailchimp.sandbox.oauth import OAuth
from hub_mailchimp.sandbox.problems import answer, of_status
from hub_mailchimp.sandbox.web import route

CONNECTIONS = 10
"""Simultaneous requests per user: https://mailchimp.com/developer/marketing/docs/fundamentals/#throttling"""
BATCH_SECONDS = 3.0
"""How long a batch is worked on; at Mailchimp it is seconds to an hour."""
STATS_LAG = 300.0
"""Seconds for which Mailchimp answers audience statistics from memory."""


class MailchimpSandbox(Sandbox):
    """Mailchimp on this machine. `stats_lag` is how many seconds statistics and `member_count` may be old;
    `batch_seconds` is how long a batch is worked on."""

    name = "mailchimp"
    label = "Mailchimp"
    default_port = 8801

    def __init__(
        self,
        home: Path,
        *,
        keep_bodies: bool = False,
        stats_lag: float = STATS_LAG,
        batch_seconds: float = BATCH_SECONDS,
    ) -> None:
        super().__init__(home, keep_bodies=keep_bodies)
        db = open_database(home / "mailchimp.db", SCHEMA)
        self._account = Account(db, Lagging(stats_lag), batch_seconds=batch_seconds)
        begin(self._account.db)

    def settings(self, url: str) -> dict[str, str]:
        """The documented key, and the API's address on this machine."""
        return {"api_key": API_KEY, "base_url": f"{url}/3.0"}

    def account_limits(self) -> Sequence[Limit]:
        """Ten simultaneous requests; the eleventh gets 429. There is no limit per second."""
        return [ConcurrencyLimit(CONNECTIONS)]

    def credential(self, headers: Mapping[str, str]) -> str:
        """One and the same: the limit belongs to the user, all keys and apps together."""
        return "user"

    def app(self) -> Starlette:
        """The API under `/3.0`, OAuth, and the storage that answers of batches are in."""
        api = routes(self._account)
        beside = [*batches.Batches(self._account, api).routes(), *OAuth(self._account).routes()]
        return Starlette(routes=[*beside, *api], exception_handlers={HTTPException: _plain_error})

    def admin_routes(self) -> list[Route]:
        """Contacts, tags, campaigns and webhooks."""
        return [*MailchimpAdmin(self._account).routes(), *WebhookAdmin(self._account).routes()]

    def member_keys(self, method: str, path: str, body: bytes) -> list[str] | None:
        """The addresses of a bulk upsert, or of a bulk tag call (those to remove with a `-` in front)."""
        if method not in {"POST", "PUT", "PATCH"} or not body:
            return None
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        return _keys(content) if isinstance(content, dict) else None

    def refusal(self, status: int, reason: str) -> Response:
        """problem+json in the words of the API."""
        return answer(of_status(status))

    def state(self) -> dict[str, Any]:
        """Rows by table, and contacts by status."""
        db = self._account.db
        tables = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}
        asked = "SELECT iif(archived, 'archived', status) AS status, count(*) FROM contacts GROUP BY 1 ORDER BY 1"
        return {**tables, "contacts_by_status": dict(tuple(row) for row in db.execute(asked))}

    def reset(self) -> None:
        """One empty audience, as at first start."""
        wipe(self._account.db)
        self._account.written()
        self._account.counts.clear()
        self._account.signs = True
        self._account.batch_faults.clear()

    def close(self) -> None:
        """Close the files."""
        self._account.db.close()
        super().close()


def routes(account: Account) -> list[Route]:
    """Every route of the API that the sandbox knows."""
    audience, one = "/lists/{list_id}", "/lists/{list_id}/members/{subscriber_hash}"
    tag, report = "/lists/{list_id}/segments/{segment_id:int}", "/reports/{campaign_id}"
    return [
        route(account, audience, get=lists.get_audience, post=lists.bulk_upsert),
        route(account, tag, get=segments.get, post=segments.add_and_remove, patch=segments.replace,
              delete=segments.delete),
        route(account, f"{tag}/members", get=segments.members),
        route(account, one, get=members.get, put=members.put, patch=members.patch, delete=members.archive),
        route(account, f"{one}/tags", get=members.list_tags, post=members.tag),
        route(account, f"{one}/actions/delete-permanent", post=members.delete_permanent),
        route(account, f"{audience}/members", get=members.list_members, post=members.create),
        route(account, f"{audience}/segments", get=segments.list_segments, post=segments.create),
        route(account, f"{audience}/tag-search", get=segments.search),
        route(account, f"{audience}/merge-fields", get=merge_fields.list_fields, post=merge_fields.create_field),
        route(account, f"{report}/email-activity", get=reports.email_activity),
        route(account, f"{report}/sent-to", get=reports.sent_to),
        route(account, f"{report}/unsubscribed", get=reports.unsubscribed),
        route(account, report, get=reports.get_report),
        route(account, f"{audience}/webhooks", get=webhooks.list_webhooks, post=webhooks.create),
        route(account, f"{audience}/webhooks/{{webhook_id}}", get=webhooks.get, patch=webhooks.change,
              delete=webhooks.delete),
        route(account, "/reports", get=reports.list_reports),
        route(account, "/campaigns/{campaign_id}", get=reports.get_campaign),
        route(account, "/campaigns", get=reports.list_campaigns),
        route(account, "/lists", get=lists.list_audiences),
        route(account, "/ping", get=lists.ping),
        route(account, "/", get=lists.root),
        route(account, "", get=lists.root),
    ]  # fmt: skip


def _keys(content: dict[str, Any]) -> list[str] | None:
    members = content.get("members")
    if isinstance(members, list):
        return [str(each.get("email_address")) for each in members if isinstance(each, dict)]
    added, removed = content.get("members_to_add"), content.get("members_to_remove")
    if isinstance(added, list) or isinstance(removed, list):
        return [*map(str, added or []), *(f"-{address}" for address in removed or [])]
    if isinstance(content.get("email_address"), str):
        return [content["email_address"]]
    return None


async def _plain_error(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        raise exc
    return answer(of_status(exc.status_code))
