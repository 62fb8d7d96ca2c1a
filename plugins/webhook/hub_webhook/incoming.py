"""What comes in through a webhook connection: pages of somebody's cohorts, and message events.

Cohorts come by Mixpanel's custom-webhook contract (https://docs.mixpanel.com/docs/cohort-sync/webhooks), which knows
Basic authentication and no signature: they are proven by it, by our secret address, or by a signature where the
sender has one, as another hub does. Message events are always signed by Standard Webhooks 1.0.0.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any

import orjson

from hub import CohortAction, CohortPage, InboundRequest, NotVerified, Received, Reply
from hub_webhook.envelope import DISTINCT_ID
from hub_webhook.events import events_in

if TYPE_CHECKING:
    from hub_webhook.settings import WebhookSettings

WINDOW_SECONDS = 300
"""How far a signature's time may be from ours, either way: the standard's."""

_ACTIONS = {
    "members": CohortAction.REPLACE,
    "add_members": CohortAction.ADD,
    "remove_members": CohortAction.REMOVE,
}
_NAMES = {
    DISTINCT_ID: "distinct_id",
    "email": "$email",
    "first_name": "$first_name",
    "last_name": "$last_name",
    "phone_number": "$phone",
}
"""What the contract calls a property, and what it is in the hub. Others keep their names."""


def verify(request: InboundRequest, settings: WebhookSettings) -> None:
    """Prove that the sender is who was given the secrets. Raises NotVerified."""
    secrets = settings.inbound_secret.get_secret_value().split()
    if secrets and "webhook-signature" in request.headers:
        _verify_signature(request, secrets)
    elif not _is_cohort(request.body):
        raise NotVerified(
            "A message event is signed by Standard Webhooks."
            if secrets
            else "Message events are signed, and the connection has no inbound_secret to verify them with.",
            hint="Set inbound_secret with `hub connection edit`.",
        )
    elif settings.inbound_username:
        _verify_login(request, settings)
    elif not request.secret_path:
        raise NotVerified("Nothing proves who sent this: no signature, no login, no secret address.")


def _verify_signature(request: InboundRequest, secrets: list[str]) -> None:
    at = request.headers.get("webhook-timestamp", "")
    if not at.isascii() or not at.isdigit() or len(at) > 12:
        raise NotVerified("Its webhook-timestamp is not a number of seconds.")
    if abs(request.received_at.timestamp() - int(at)) > WINDOW_SECONDS:
        raise NotVerified("It was signed more than five minutes before or after it came.")
    message = request.headers.get("webhook-id", "")
    if not message:
        raise NotVerified("It has no webhook-id.")
    given = request.headers["webhook-signature"].split()
    signed = f"{message}.{at}.".encode() + request.body
    for secret in secrets:
        wanted = _signature(secret, signed)
        if any(hmac.compare_digest(each.encode(), wanted) for each in given):
            return
    raise NotVerified("Its signature is not that of its body, by any of the secrets.")


def _signature(secret: str, signed: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))


def _verify_login(request: InboundRequest, settings: WebhookSettings) -> None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
    except ValueError:  # no base64, or not even ASCII
        given = b""
    wanted = f"{settings.inbound_username}:{settings.inbound_password.get_secret_value()}".encode()
    if not hmac.compare_digest(given, wanted):
        raise NotVerified("The user name or the password is wrong.")


def reply(request: InboundRequest) -> Reply:
    """The contract's word of success for a page of a cohort; nothing for message events."""
    document = _document(request.body)
    if not isinstance(document, dict) or "action" not in document:
        return Reply()
    answer = {"action": document["action"], "status": "success"}
    return Reply(200, orjson.dumps(answer), "application/json")


def received(request: InboundRequest) -> Received:
    """What is in a request. Raises ValueError when it is neither a page of a cohort nor message events."""
    document = _document(request.body)
    if isinstance(document, dict) and "action" in document:
        return Received(pages=[_page(document)])
    if isinstance(document, dict | list):
        return events_in(document, request)
    raise ValueError("it is no JSON object")


def _page(document: dict[str, Any]) -> CohortPage:
    action, told = document["action"], document.get("parameters")
    if action not in _ACTIONS:
        raise ValueError(f"there is no action {action!r}")
    if not isinstance(told, dict):
        raise ValueError("a page has parameters")  # noqa: TRY004
    members, pages = told.get("members"), told.get("page_info")
    members, pages = [] if members is None else members, {} if pages is None else pages
    if not isinstance(members, list) or not isinstance(pages, dict):
        raise ValueError("members is a list, and page_info an object")  # noqa: TRY004
    cohort = _text(told, "mixpanel_cohort_id")
    if not cohort:
        raise ValueError("it names no mixpanel_cohort_id")
    return CohortPage(
        cohort=f"{_text(told, 'mixpanel_project_id')}/{cohort}",
        name=_text(told, "mixpanel_cohort_name"),
        action=_ACTIONS[action],
        session=_text(told, "mixpanel_session_id"),
        # a page of nobody may come without numbers
        number=max(_number(pages, "page_count"), 1),
        total=max(_number(pages, "total_pages"), 1),
        members=[_member(each) for each in members],
        description=_text(told, "mixpanel_cohort_description"),
    )


def _member(told: Any) -> dict[str, Any]:
    """A member with the hub's names; what is no object is refused by itself, and not the page with it."""
    members: dict[str, Any] = told if isinstance(told, dict) else {}
    return {_NAMES.get(name, name): value for name, value in members.items()}


def _number(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    return value if isinstance(value, int) else 0


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    return "" if value is None else str(value)


def _is_cohort(body: bytes) -> bool:
    document = _document(body)
    return isinstance(document, dict) and "action" in document


def _document(body: bytes) -> Any:
    """The JSON of a body; None when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
