"""What Braze's answers mean: its statuses, its prose, and the errors of single objects inside an answer of 2xx.

Sources: https://www.braze.com/docs/api/errors/, https://www.braze.com/docs/api/api_limits/, and
https://www.braze.com/docs/api/endpoints/user_data/post_user_track/.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import httpx
import orjson

from hub import (
    BatchRefused,
    CredentialRefused,
    Member,
    PartnerError,
    PartnerUnavailable,
    Refusal,
    SettingsWrong,
    Wait,
    retry_after,
)

_POSSIBLY_DONE = {502, 503, 504}
_LONGEST_WORDS = 300
_LOCKED_SECONDS = 5.0

_NEW_KEY = (
    "Look at the key, and at the instance of this connection: a good key on another instance's host is refused in the "
    "same words."
)
_PERMISSIONS: Mapping[str, str] = {
    "/users/track": "users.track",
    "/users/export/ids": "users.export.ids",
    "/segments/list": "segments.list",
    "/email/unsubscribes": "email.unsubscribe",
    "/email/hard_bounces": "email.hard_bounces",
}
"""The permission that a call needs."""

_BLACKLISTED = re.compile(r"blacklisted|disallowed", re.IGNORECASE)


class NotPermitted(CredentialRefused):
    """The key is valid, and lacks the permission `permission`."""

    def __init__(self, message: str, *, permission: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.permission = permission


def explain(response: httpx.Response, *, secrets: Sequence[str]) -> PartnerError | None:
    """What an answer of 300 or above means; None leaves it to the hub. None of `secrets` is in the error's words."""
    path = response.request.url.path
    words = _words(response, secrets)
    said = f"Braze answered {response.status_code} to {response.request.method} {path}{words}."
    match response.status_code:
        case 400 | 413:
            return BatchRefused(said)
        case 401:
            return CredentialRefused(said, hint=_NEW_KEY)
        case 403:
            return _forbidden(said, words, path)
        case 404:
            return SettingsWrong(said, hint="Look at the instance, or at the base_url, of this connection.")
        case _:
            return _passing(said, response)


def _passing(said: str, response: httpx.Response) -> PartnerError | None:
    status = response.status_code
    if status == 423:
        return Wait(said, seconds=_LOCKED_SECONDS, hint="Somebody else writes this cohort at Braze.")
    if status == 429:
        return Wait(said, seconds=seconds_to_reset(response))
    if status in _POSSIBLY_DONE:
        return PartnerUnavailable(said, answer_lost=response.request.method != "GET")
    return None


def seconds_to_reset(response: httpx.Response) -> float | None:
    """Seconds until `x-ratelimit-reset` (seconds since 1970), by the clock of the answer; None without one.

    Braze sends no `Retry-After`; a proxy before it may.
    """
    try:
        reset = float(response.headers["x-ratelimit-reset"])
    except (KeyError, ValueError):
        return retry_after(response.headers.get("Retry-After"))
    try:
        told_at = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        told_at = time()
    return max(0.0, reset - told_at)


def object_refusals(answer: Any, members: Sequence[Member]) -> list[Refusal]:
    """Who was refused, by an answer of 2xx to `/users/track` whose attributes were `members`, in this order.

    An error names its object by `input_array` and `index`. One that names nobody is about the only one there was, or
    raises BatchRefused, so that the hub finds out whom it is about.
    """
    reasons: dict[int, list[str]] = defaultdict(list)
    for error in _errors(answer):
        index = 0 if len(members) == 1 else _index(error, len(members))
        if index is None:
            raise BatchRefused(f"Braze refused somebody and did not say whom: {error.get('type')}")
        reasons[index].append(str(error.get("type") or "Braze gave no reason."))
    return [
        Refusal(members[index].key, "; ".join(dict.fromkeys(said)), _code(said), match=members[index].match)
        for index, said in sorted(reasons.items())
    ]


def _index(error: Mapping[str, Any], count: int) -> int | None:
    index = error.get("index")
    ours = error.get("input_array") in ("attributes", None)
    return index if ours and isinstance(index, int) and 0 <= index < count else None


def success(answer: Any, path: str) -> dict[str, Any]:
    """An answer of 2xx that says so. Raises PartnerUnavailable for any other: a log-in page is a 200, too."""
    if not isinstance(answer, dict) or "message" not in answer:
        raise PartnerUnavailable(f"Braze's answer to {path} says nothing of success.", answer_lost=True)
    return answer


def _errors(answer: Any) -> list[dict[str, Any]]:
    errors = answer.get("errors") if isinstance(answer, dict) else None
    listed = errors if isinstance(errors, list) else [errors] if errors else []
    return [each if isinstance(each, dict) else {"type": each} for each in listed]


def _code(said: Sequence[str]) -> str:
    return "blacklisted" if any(_BLACKLISTED.search(words) for words in said) else ""


def _forbidden(said: str, words: str, path: str) -> PartnerError:
    if "access denied" not in words.lower():
        return SettingsWrong(said, hint="Braze has switched this off for the account: ask whoever manages it.")
    permission = next((needed for call, needed in _PERMISSIONS.items() if path.endswith(call)), "")
    return NotPermitted(
        f"The key is valid, and lacks the permission {permission or 'for ' + path}. {said}",
        permission=permission,
        hint="Permissions of a key cannot be changed: make a new one in Braze, and set it on this connection.",
    )


def _words(response: httpx.Response, secrets: Sequence[str]) -> str:
    try:
        told = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return ""
    said = told.get("message") if isinstance(told, dict) else None
    errors = [str(each.get("type")) for each in _errors(told) if each.get("type")]
    words = "; ".join(dict.fromkeys(part for part in (said, *errors) if isinstance(part, str) and part.strip()))
    for secret in secrets:
        words = words.replace(secret, "***")
    shown = "".join(letter if letter.isprintable() else " " for letter in words.strip().rstrip("."))
    return f": {shown[:_LONGEST_WORDS]}" if shown else ""
