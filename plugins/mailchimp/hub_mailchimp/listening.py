"""The webhook of an audience at Mailchimp: made on request, with a key in its address and, where Mailchimp signs, the
secret that it tells once.

Source: https://mailchimp.com/developer/marketing/api/list-webhooks/
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from hub import BatchRefused, PartnerClient, SettingsWrong
from hub_mailchimp.paths import list_path, no_such_list, told
from hub_mailchimp.refusals import NotThere
from hub_mailchimp.webhooks import KEY

EVENTS = {
    "subscribe": True,
    "unsubscribe": True,
    "profile": True,
    "cleaned": True,
    "upemail": True,
    "campaign": False,
}
"""What is asked for: all that is about a person."""

SOURCES = {"user": True, "admin": True, "api": False}
"""Whose changes are told. Not those that come by the API: the hub's own would come back as an echo."""


async def listen(http: PartnerClient, list_id: str, url: str) -> dict[str, str]:
    """Have the audience's changes sent to `url`; the settings by which they are verified.

    A webhook of that address is made anew, because Mailchimp tells its secret only when it is made. Mailchimp first
    asks the address for an answer (GET). Raises SettingsWrong when it gets none.
    """
    await stop(http, list_id, url)
    key = secrets.token_urlsafe(24)
    try:
        answer = await http.post(
            f"{list_path(list_id)}/webhooks",
            {"url": _with_key(url, key), "events": EVENTS, "sources": SOURCES},
        )
    except NotThere as error:
        raise no_such_list(list_id) from error
    except BatchRefused as error:
        raise SettingsWrong(
            f"Mailchimp does not send to {url}. {error.message.replace(key, '***')}",
            hint="`hub serve` has to answer there, from the internet, while the webhook is made.",
        ) from error
    hook = told(answer, "id", "the new webhook", lost=True)
    return {"webhook_secret": str(hook.get("signing_secret") or ""), "webhook_key": key}


async def stop(http: PartnerClient, list_id: str, url: str) -> None:
    """Delete the audience's webhooks that send to `url`, whatever key is in their address."""
    path = f"{list_path(list_id)}/webhooks"
    try:
        answer = told(await http.get(path), "webhooks", path)
    except NotThere as error:
        raise no_such_list(list_id) from error
    for hook in answer["webhooks"]:
        if _without_key(str(hook.get("url"))) == _without_key(url):
            await _delete(http, f"{path}/{hook['id']}")


async def _delete(http: PartnerClient, path: str) -> None:
    try:
        await http.request("DELETE", path)
    except NotThere:
        return


def _with_key(url: str, key: str) -> str:
    return _changed(url, [*_other_parameters(url), (KEY, key)])


def _without_key(url: str) -> str:
    return _changed(url, _other_parameters(url))


def _other_parameters(url: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in parse_qsl(urlsplit(url).query) if name != KEY]


def _changed(url: str, parameters: list[tuple[str, Any]]) -> str:
    return urlunsplit(urlsplit(url)._replace(query=urlencode(parameters)))
