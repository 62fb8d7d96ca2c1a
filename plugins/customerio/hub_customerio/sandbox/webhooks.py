"""The App API's reporting webhooks. The sandbox has one; its signing key is told by the admin endpoints alone."""

from __future__ import annotations

from hub_customerio.sandbox.web import Call, Json, Refused, app_errors
from hub_customerio.sandbox.workspace import SIGNING_KEY

NUMBER = 4
_NEEDED = ("name", "endpoint", "events")


def list_webhooks(call: Call) -> Json:
    """GET /v1/reporting_webhooks."""
    webhook = call.workspace.fact("webhook")
    return {"reporting_webhooks": [_shown(webhook)] if webhook else []}


def make_webhook(call: Call) -> Json:
    """POST /v1/reporting_webhooks."""
    return _put(call)


def put_webhook(call: Call) -> Json:
    """PUT /v1/reporting_webhooks/{id}."""
    _refuse_unknown(call)
    return _put(call)


def delete_webhook(call: Call) -> None:
    """DELETE /v1/reporting_webhooks/{id}."""
    _refuse_unknown(call)
    call.workspace.state_fact("webhook", None)


def _put(call: Call) -> Json:
    given = call.json()
    if any(not given.get(name) for name in _NEEDED) or not isinstance(given["events"], list):
        raise Refused(400, app_errors("name, endpoint and events are required", 400))
    webhook = {
        "url": str(given["endpoint"]),
        "signing_key": SIGNING_KEY,
        "full_resolution": bool(given.get("full_resolution")),
        "events": [str(each) for each in given["events"]],
    }
    call.workspace.state_fact("webhook", webhook)
    return _shown(webhook)


def _refuse_unknown(call: Call) -> None:
    if int(call.path["webhook"]) != NUMBER or not call.workspace.fact("webhook"):
        raise Refused(404, app_errors("webhook not found", 404))


def _shown(webhook: Json) -> Json:
    return {
        "name": "cohort hub",
        "id": NUMBER,
        "type": "webhook",
        "endpoint": webhook["url"],
        "disabled": False,
        "full_resolution": webhook["full_resolution"],
        "with_content": False,
        "events": webhook["events"] or [],
    }
