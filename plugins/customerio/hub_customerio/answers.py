"""What Customer.io's answers mean. The forms of its errors differ from endpoint to endpoint.

Sources: https://docs.customer.io/integrations/api/track/ and https://docs.customer.io/integrations/api/app/ ("Errors").
A redirect is the App API's word for a workspace of the other region; it is never followed: the key would go along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import orjson

from hub import BatchRefused, CredentialRefused, PartnerError, PartnerUnavailable, SettingsWrong, Wait, retry_after

_GATEWAYS = {502, 504, 522, 524}
"""Answers of what stands before Customer.io: the request may have been carried out."""
_LONGEST_WORDS = 300

_RENEW = "Copy it anew from https://fly.customer.io/settings/api_credentials, of the right workspace and region."
_REGION = "Set the connection's region to the workspace's own (us or eu), or to auto."


class NotThere(SettingsWrong):
    """Customer.io says that there is no such thing: a segment."""


class InUse(SettingsWrong):
    """A segment cannot be deleted while a campaign uses it."""


_WORDS: Mapping[int, tuple[type[PartnerError], str, str]] = {
    400: (BatchRefused, "{said}", ""),
    401: (CredentialRefused, "Customer.io refused the {credential}: {said}", _RENEW),
    403: (CredentialRefused, "The {credential} lacks a permission: {said}", _RENEW),
    404: (NotThere, "{said}", "Look at the segment and at the settings of this connection."),
    409: (InUse, "{said}", "Take the segment out of the campaigns that use it."),
    413: (BatchRefused, "{said}", ""),
    422: (BatchRefused, "{said}", ""),
}


def explain(response: httpx.Response, *, secrets: Sequence[str]) -> PartnerError | None:
    """What an answer of 300 or above means; None leaves it to the hub. None of `secrets` is ever in the words."""
    status = response.status_code
    track = response.request.headers.get("Authorization", "").startswith("Basic")
    said = f"Customer.io's {'Track' if track else 'App'} API answered {status}{_words(response, secrets)}."
    if status in _WORDS:
        error, sentence, hint = _WORDS[status]
        credential = "Track API key (with its site ID)" if track else "App API key"
        return error(sentence.format(said=said, credential=credential), hint=hint)
    if status < 400:
        return SettingsWrong(f"Wrong region: {said}", hint=_REGION)
    wait = retry_after(response.headers.get("Retry-After"))
    if status == 429 or (status == 503 and wait is not None):
        return Wait(said, seconds=wait, hint="The workspace is being asked more than its limits allow.")
    if status == 408 or status >= 500:
        return PartnerUnavailable(said, answer_lost=status in _GATEWAYS and response.request.method != "GET")
    return None


def errors_of(document: Any) -> list[Mapping[str, Any]]:
    """The items of `errors` that are objects: those of the Track API's v2 have `reason`, `field`, `message`."""
    found = document.get("errors") if isinstance(document, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def words_of(error: Mapping[str, Any]) -> str:
    """One item of `errors`, as words: `identifiers.id: required (message)`."""
    said = str(error.get("message") or error.get("detail") or error.get("reason") or "no reason given").rstrip(".")
    return f"{error['field']}: {said}" if error.get("field") else said


def _words(response: httpx.Response, secrets: Sequence[str]) -> str:
    try:
        document = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return ""
    said = [words_of(each) for each in errors_of(document)] or _in_meta(document)
    text = "; ".join(said)
    for secret in secrets:
        text = text.replace(secret, "***")
    shown = "".join(letter if letter.isprintable() else " " for letter in text).strip().rstrip(".")
    return f": {shown[:_LONGEST_WORDS]}" if shown else ""


def _in_meta(document: Any) -> list[str]:
    meta = document.get("meta") if isinstance(document, Mapping) else None
    if not isinstance(meta, Mapping):
        return []
    several = meta.get("errors")
    return [str(each) for each in several] if isinstance(several, list) else [str(meta.get("error") or "")]
