"""The reporting webhook: made at Customer.io on request. Its signing key is shown on its page there, and nowhere else.

Source: https://docs.customer.io/integrations/api/app/tag/reporting-webhooks/createWebhook/
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from hub import BatchRefused, PartnerUnavailable, SettingsWrong
from hub_customerio.answers import NotThere
from hub_customerio.api import Api
from hub_customerio.kinds import MESSAGE_EVENTS

_PATH = "/v1/reporting_webhooks"
_NOT_OFFERED = {"slack_undeliverable"}
_OTHERWISE = {"customer_cio_subscription_preferences_changed": "customer_subscription_preferences_changed"}

EVENTS = [_OTHERWISE.get(kind.kind, kind.kind) for kind in MESSAGE_EVENTS.kinds if kind.kind not in _NOT_OFFERED]
"""All that the call takes."""


async def listen(api: Api, url: str) -> None:
    """Have every event of the workspace sent to `url`, each open and click, without the messages' content.

    A webhook of that address is put right, and keeps its signing key. No error holds the address.
    """
    about = {
        "name": "cohort hub",
        "endpoint": url,
        "events": EVENTS,
        "disabled": False,
        "full_resolution": True,
        "with_content": False,
    }
    found = await _sending_to(api, url)
    try:
        if found:
            await api.app("PUT", f"{_PATH}/{found[0]}", about)
        else:
            await api.app("POST", _PATH, about)
    except BatchRefused as error:
        raise SettingsWrong(
            f"Customer.io does not send to {urlsplit(url).hostname}. {error.message.replace(url, 'it')}",
            hint="The address has to be one that can be reached from the internet.",
        ) from error


async def stop(api: Api, url: str) -> None:
    """Delete the webhooks that send to `url`."""
    for number in await _sending_to(api, url):
        try:
            await api.app("DELETE", f"{_PATH}/{number}")
        except NotThere:  # somebody else was faster
            continue


async def _sending_to(api: Api, url: str) -> list[int]:
    rows: Any = (await api.app_get(_PATH)).get("reporting_webhooks")
    if not isinstance(rows, list):
        raise PartnerUnavailable("Customer.io answered for its webhooks without 'reporting_webhooks'.")
    return [int(row["id"]) for row in rows if isinstance(row, dict) and row.get("endpoint") == url]
