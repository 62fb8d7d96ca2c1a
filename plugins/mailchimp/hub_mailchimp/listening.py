"""The webhook of an audience at Mailchimp: made on request, with the secret that it is signed with, told once.

Source: https://mailchimp.com/developer/marketing/api/list-webhooks/
"""

from __future__ import annotations

from urllib.parse import urlsplit

from hub import BatchRefused, PartnerClient, SettingsWrong
from hub_mailchimp.paths import list_path, no_such_list, told
from hub_mailchimp.refusals import NotThere

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
    """Have the audience's changes sent to `url`; the settings by which they are verified. No error holds the address.

    A webhook of that address is made anew, because Mailchimp tells its secret only when it is made. Mailchimp first
    asks the address for an answer (GET). Raises SettingsWrong when it gets none.
    """
    await stop(http, list_id, url)
    try:
        answer = await http.post(f"{list_path(list_id)}/webhooks", {"url": url, "events": EVENTS, "sources": SOURCES})
    except NotThere as error:
        raise no_such_list(list_id) from error
    except BatchRefused as error:
        raise SettingsWrong(
            f"Mailchimp does not send to {urlsplit(url).hostname}. {error.message.replace(url, 'it')}",
            hint="`hub serve` has to answer there, from the internet, while the webhook is made.",
        ) from error
    return {"webhook_secret": str(told(answer, "id", "the new webhook", lost=True).get("signing_secret") or "")}


async def stop(http: PartnerClient, list_id: str, url: str) -> None:
    """Delete the audience's webhooks that send to `url`, whatever its query: to Mailchimp it is one address."""
    path = f"{list_path(list_id)}/webhooks"
    try:
        answer = told(await http.get(path), "webhooks", path)
    except NotThere as error:
        raise no_such_list(list_id) from error
    for hook in answer["webhooks"]:
        if _without_query(str(hook.get("url"))) == _without_query(url):
            await _delete(http, f"{path}/{hook['id']}")


async def _delete(http: PartnerClient, path: str) -> None:
    try:
        await http.request("DELETE", path)
    except NotThere:
        return


def _without_query(url: str) -> str:
    return urlsplit(url)._replace(query="").geturl()
