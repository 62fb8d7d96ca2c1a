"""What a receiver's answers mean.

Sources: https://docs.mixpanel.com/docs/cohort-sync/webhooks for the answers' form, for 400, 401, 403, 404 (the sync is
paused) and for 429 and 5xx (tried again); RFC 9110 for 413; Standard Webhooks for 410. What they leave open is decided
here, and said in the README.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import orjson

from hub import BatchRefused, CredentialRefused, PartnerError, PartnerUnavailable, SettingsWrong, Wait, retry_after

_REFUSED = {401, 403, 407}
_WRONG = {400, 404, 405, 410, 415, 422}
_TOO_LARGE = 413
_BUSY = {429, 503}
_GATEWAYS = {502, 504}
_LONGEST_WORDS = 300

_SETTINGS = "Look at the URL and at the receiver's log; `hub connection check` sends a test once it is mended."
_CREDENTIAL = (
    "Look at the user name, the password, the headers and the signing secret of this connection; they are changed "
    "with `hub connection edit`."
)
_EXPECTED = 'A page that was taken is answered with 200 and {"action": "...", "status": "success"}.'


def explain(response: httpx.Response, *, secrets: Sequence[str]) -> PartnerError | None:
    """What an answer of 300 or above means; None leaves it to the hub (redirects, which are not followed).

    The receiver's own words are told, without any of `secrets`.
    """
    if response.status_code < 400:
        return None
    document = _document(response)
    words = _words(document.get("error"), secrets) if document else ""
    return _meaning(response.status_code, f"The receiver answered {response.status_code}{words}.", response)


def read(response: httpx.Response, action: str, *, secrets: Sequence[str]) -> None:
    """Return if the receiver took the page; raise what its answer means otherwise.

    A 2xx counts only with the contract's own word of success: a log-in page is a 200 too.
    """
    document = _document(response)
    if document is None:
        raise PartnerUnavailable(
            f"The receiver answered {response.status_code}, but not as the webhook contract says.",
            answer_lost=True,
            hint=_EXPECTED,
        )
    if document.get("status") == "success" and document.get("action", action) == action:
        return
    said = _words(document.get("error"), secrets)
    if document.get("status") != "failure":
        raise PartnerUnavailable(
            f"The receiver's answer to {action} does not say that it was taken{said}.", answer_lost=True, hint=_EXPECTED
        )
    raise _meaning(_code(document.get("error")), f"The receiver says that {action} failed{said}.", response)


def _meaning(status: int, said: str, response: httpx.Response) -> PartnerError:
    if status in _REFUSED:
        return CredentialRefused(said, hint=_CREDENTIAL)
    if status in _WRONG:
        return SettingsWrong(said, hint=_SETTINGS)
    if status == _TOO_LARGE:
        return BatchRefused(said)
    wait = retry_after(response.headers.get("Retry-After"))
    if status == 429 or (status in _BUSY and wait is not None):
        return Wait(said, seconds=wait)
    return PartnerUnavailable(said, answer_lost=status in _GATEWAYS)


def _document(response: httpx.Response) -> dict[str, Any] | None:
    try:
        found = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _code(error: Any) -> int:
    try:
        return int(error["code"])
    except (KeyError, TypeError, ValueError):
        return 0


def _words(error: Any, secrets: Sequence[str]) -> str:
    said = error.get("message") if isinstance(error, dict) else error
    if not isinstance(said, str) or not said.strip():
        return ""
    for secret in secrets:
        said = said.replace(secret, "***")
    shown = "".join(letter if letter.isprintable() else " " for letter in said.strip().rstrip("."))
    return f": {shown[:_LONGEST_WORDS]}"
