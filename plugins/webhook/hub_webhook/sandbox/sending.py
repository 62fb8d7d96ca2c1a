"""What a sender does: pages of a cohort by the contract, and signed message events, really sent over HTTP."""

from __future__ import annotations

import uuid
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field
from standardwebhooks import Webhook

from hub_webhook.sandbox.expected import SECRET

_TIMEOUT = 30.0


class _Sent(BaseModel):
    """Where something is sent to, and how it is proven."""

    model_config = ConfigDict(extra="forbid")

    url: str
    secrets: list[str] = Field(default_factory=list)
    """Each signs; none: nothing is signed."""
    username: str = ""
    password: str = ""
    late_by: float = 0
    """Seconds that the signature's time lies in the past; below zero in the future."""
    tamper: bool = False
    """Change a byte after signing."""
    times: int = Field(default=1, ge=1, le=100)
    """How often each request is sent, as a sender does that got no answer."""


class Messages(_Sent):
    """Message events, each as it stands, one a request; with `together` in one."""

    secrets: list[str] = Field(default_factory=lambda: [SECRET])
    events: list[dict[str, Any]]
    together: bool = False


class CohortExport(_Sent):
    """A cohort, page by page. `pages` are the numbers of those to send, in that order (all, if left out)."""

    action: Literal["members", "add_members", "remove_members"] = "members"
    project: str = "1"
    cohort: str
    name: str
    description: str = ""
    session: str = Field(default_factory=lambda: str(uuid.uuid4()))
    members: list[dict[str, Any]] = Field(default_factory=list)
    page_size: int = Field(default=1000, ge=1)
    pages: list[int] | None = None


async def send_messages(order: Messages) -> list[dict[str, Any]]:
    """Send message events; returns the status and the text of every answer."""
    bodies = [order.events] if order.together else order.events
    return await _send(order, [orjson.dumps(body) for body in bodies])


async def send_cohort(order: CohortExport) -> list[dict[str, Any]]:
    """Send the pages of a cohort; returns the status and the text of every answer."""
    parts = [order.members[at : at + order.page_size] for at in range(0, len(order.members), order.page_size)] or [[]]
    bodies = []
    for number in order.pages or range(1, len(parts) + 1):
        told = {
            "mixpanel_project_id": order.project,
            "mixpanel_cohort_id": order.cohort,
            "mixpanel_cohort_name": order.name,
            "mixpanel_cohort_description": order.description,
            "mixpanel_session_id": order.session,
            "page_info": {"total_pages": len(parts), "page_count": number},
            "members": parts[number - 1],
        }
        bodies.append(orjson.dumps({"action": order.action, "parameters": told}))
    return await _send(order, bodies)


async def _send(order: _Sent, bodies: list[bytes]) -> list[dict[str, Any]]:
    answers = []
    async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as http:
        for body in bodies:
            message = f"msg_{uuid.uuid4().hex}"
            for _ in range(order.times):
                headers = _headers(order, message, body)
                sent = body.replace(b'"', b"'", 1) if order.tamper else body
                answer = await http.post(order.url, content=sent, headers=headers)
                answers.append({"status": answer.status_code, "text": answer.text})
    return answers


def _headers(order: _Sent, message: str, body: bytes) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if order.username:
        headers["Authorization"] = "Basic " + b64encode(f"{order.username}:{order.password}".encode()).decode()
    if order.secrets:
        at = datetime.now(UTC) - timedelta(seconds=order.late_by)
        headers |= {
            "webhook-id": message,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(Webhook(each).sign(message, at, body.decode()) for each in order.secrets),
        }
    return headers
