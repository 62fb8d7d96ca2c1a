"""What Mailchimp's refusals mean: its problem documents, and the errors that it reports for single members.

Facts as data. Sources: Mailchimp's error glossary (https://mailchimp.com/developer/marketing/docs/errors/) and
the answers of `POST /lists/{id}` and `POST /lists/{id}/segments/{id}`, which are 200 although members failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import orjson

from hub import (
    BatchRefused,
    CredentialRefused,
    PartnerError,
    Refusal,
    SettingsWrong,
    Wait,
    retry_after,
)

TOMORROW = timedelta(days=1)


class NotThere(SettingsWrong):
    """Mailchimp itself says that there is no such thing: a list, a segment, a report."""


@dataclass(frozen=True)
class Meaning:
    """What one of Mailchimp's problems means here, and what to do about it."""

    error: type[PartnerError]
    hint: str = ""


_NEW_KEY = (
    "Make a new API key in Mailchimp (your profile, Extras, API keys) and set it on this connection; if its owner "
    "consented to it, have the owner asked again: `hub connection edit NAME --oauth`."
)
_ROLE = "The key's owner lacks the right to do this: use a key of a user whose role is manager, admin or owner."
_CONTACT_MAILCHIMP = "Log in to Mailchimp: the account has to be cleared there before its API works again."
_PAYLOAD = "Look at the mapped properties of this sync."

MEANINGS_BY_TITLE: Mapping[str, Meaning] = {
    "API Key Missing": Meaning(CredentialRefused, _NEW_KEY),
    "API Key Invalid": Meaning(CredentialRefused, _NEW_KEY),
    "User Disabled": Meaning(CredentialRefused, "The key's owner was disabled: use another user's key."),
    "Forbidden": Meaning(CredentialRefused, _ROLE),
    "Wrong Datacenter": Meaning(SettingsWrong, "The end of the API key (-us6) has to be the account's data centre."),
    "Resource Not Found": Meaning(NotThere, "Look at the audience of this connection."),
    "Too Many Requests": Meaning(Wait, "At most 10 requests may be under way for one Mailchimp user."),
    "Compliance Related": Meaning(SettingsWrong, _CONTACT_MAILCHIMP),
    "Upgrade Required": Meaning(SettingsWrong, "Mailchimp's API is reached by https only."),
}
"""Mailchimp's titles; they are compared without blanks and case."""

MEANINGS_BY_STATUS: Mapping[int, Meaning] = {
    400: Meaning(BatchRefused, _PAYLOAD),
    401: Meaning(CredentialRefused, _NEW_KEY),
    403: Meaning(CredentialRefused, _ROLE),
    404: Meaning(NotThere, "Look at the audience of this connection."),
    422: Meaning(BatchRefused, _PAYLOAD),
    426: Meaning(SettingsWrong, "Mailchimp's API is reached by https only."),
    429: Meaning(Wait, "At most 10 requests may be under way for one Mailchimp user."),
}
"""For titles that are not in the glossary."""

_BARE_MEANS_BUSY = {403, 429}


def explain(response: httpx.Response, *, secrets: Iterable[str] = ()) -> PartnerError | None:
    """What an answer of 400 or above means, or None when it says nothing of Mailchimp's own.

    None of the `secrets` appears in the error, even if an answer repeats it. Under heavy load a 429 or a 403 comes
    without a problem document, from Mailchimp's gateway: that is a wish for a pause, not a word on the key.
    """
    problem = _problem(response)
    if problem is None:
        if response.status_code not in _BARE_MEANS_BUSY:
            return None
        return Wait(
            f"Mailchimp is busy: it answered {response.status_code} without a word.",
            seconds=retry_after(response.headers.get("Retry-After")),
        )
    meaning = _BY_FOLDED_TITLE.get(_folded(problem.get("title"))) or MEANINGS_BY_STATUS.get(response.status_code)
    if meaning is None:
        return None
    words = _words(response, problem)
    for secret in filter(None, secrets):
        words = words.replace(secret, "***")
    if issubclass(meaning.error, Wait):
        return Wait(words, seconds=retry_after(response.headers.get("Retry-After")), hint=meaning.hint)
    return meaning.error(words, hint=meaning.hint)


@dataclass(frozen=True)
class MemberFault:
    """Words of Mailchimp about one member, and whether the same member may pass later."""

    words: re.Pattern[str]
    retry_after: timedelta | None
    explanation: str = ""


def _fault(words: str, explanation: str, *, again: timedelta | None = None) -> MemberFault:
    return MemberFault(re.compile(words, re.IGNORECASE), again, explanation)


_ONLY_THE_PERSON = "Only the person can come back, by a sign-up form or a confirmation mail."

MEMBER_FAULTS = (
    _fault(
        r"signed up to a lot of lists very recently",
        "Mailchimp holds back addresses that many lists take in at once; it is tried again in a day.",
        again=TOMORROW,
    ),
    _fault(r"looks fake or invalid|provide a valid email", "It is tried again when the address changes."),
    _fault(r"permanently deleted|cannot be re-?imported|forgotten", _ONLY_THE_PERSON),
    _fault(r"compliance state", f"Unsubscribed, bounced or under review there. {_ONLY_THE_PERSON}"),
    _fault(
        r"merge fields? (were|was|is|are) invalid",
        "It is tried again when the value or the mapping changes; what a field takes is set in Mailchimp.",
    ),
    _fault(
        r"already a list member",
        "Mailchimp took the contact for a new one; it is tried again in a day.",
        again=TOMORROW,
    ),
)
"""Errors of `POST /lists/{id}`; one that is not here parks the member too, with Mailchimp's words."""

NOT_ON_THE_LIST = re.compile(r"not (exist|on|in|part|subscribed|a member)", re.IGNORECASE)
"""The error of the segment call for addresses that the audience does not hold; its wording is not documented."""


def member_refusals(errors: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[Refusal]:
    """The refusals in an answer of `POST /lists/{id}`, for the members whose match keys were sent.

    Raises BatchRefused when Mailchimp complains without saying of whom, unless only one was sent.
    """
    known = {folded_address(key): key for key in keys}
    return [_member_refusal(error, _whose(error.get("email_address"), known, error)) for error in errors]


def segment_refusals(errors: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[Refusal]:
    """The refusals in an answer of `POST /lists/{id}/segments/{id}`: one for each address, tried again in a day.

    The only reason that Mailchimp documents is that the address is not on the list, and that may change.
    """
    known = {folded_address(key): key for key in keys}
    return [
        Refusal(
            _whose(address, known, error),
            str(error.get("error") or "Mailchimp gave no reason."),
            retry_after=TOMORROW,
        )
        for error in errors
        for address in error.get("email_addresses") or [None]
    ]


def folded_address(address: str) -> str:
    """The form in which two spellings of an address are one for Mailchimp."""
    return address.strip().lower()


def _member_refusal(error: Mapping[str, Any], key: str) -> Refusal:
    words = str(error.get("error") or "Mailchimp gave no reason.")
    if error.get("field"):
        words += f" ({error['field']}: {error.get('field_message') or 'not accepted'})"
    code = str(error.get("error_code") or "")
    fault = next((fault for fault in MEMBER_FAULTS if fault.words.search(words)), None)
    if fault is None:
        return Refusal(key, words, code=code)
    return Refusal(key, f"{words} {fault.explanation}", code=code, retry_after=fault.retry_after)


def _whose(address: Any, known: Mapping[str, str], error: Mapping[str, Any]) -> str:
    key = known.get(folded_address(str(address or "")))
    if key is None and len(known) == 1:
        return next(iter(known.values()))
    if key is None:
        raise BatchRefused(f"Mailchimp refused somebody and did not say whom: {error.get('error')}")
    return key


def _problem(response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and ("title" in document or "detail" in document) else None


def _words(response: httpx.Response, problem: Mapping[str, Any]) -> str:
    said = [str(problem[part]).rstrip(".") for part in ("title", "detail") if problem.get(part)]
    fields = [
        f"{error.get('field') or 'request'}: {error.get('message')}"
        for error in problem.get("errors") or ()
        if isinstance(error, Mapping)
    ]
    request = problem.get("instance") or response.headers.get("X-Request-Id")
    named = f" (Mailchimp's request {request})" if request else ""
    return "Mailchimp: " + ": ".join(said) + (f" [{'; '.join(fields)}]" if fields else "") + "." + named


def _folded(title: Any) -> str:
    return "".join(str(title or "").split()).casefold()


_BY_FOLDED_TITLE = {_folded(title): meaning for title, meaning in MEANINGS_BY_TITLE.items()}
