"""What clients are told, in the words that each of them tests for. Pure.

================  =====================================================================================================
mixpanel-python   reads JSON and takes `"status": 1` for success; raises with `"error"` otherwise, whatever the code
mixpanel-js       200: done, whatever it says; 429 (`Retry-After`) and 5xx: again; 413: in halves; else: dropped
mixpanel-node     the text `1`, or with `verbose=1` JSON with `"status": 1`
iOS, Android      200: done, whatever it says; anything else: again, for ever
mixpanel-utils    the modern answers of `/import`: the code, and `failed_records`
================  =====================================================================================================

So whatever can be told apart is answered with 200 on `/track` and `/engage`, even when nothing of it went in: a phone
would send it again and again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from hub.ingestion.received import Endpoint, Received, Refused

if TYPE_CHECKING:
    from hub.events.arriving import Refusal
    from hub.events.request import Flags

_NOBODY = "(function(){})"  # what mixpanel-js names when nobody waits for the answer
_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*|\[\d{1,10}\])*", re.ASCII)
_LONGEST_CALLBACK = 128
_PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""A transparent GIF of one pixel."""

_PLAIN = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_FAILED = "some data points in the request failed validation"


def is_callback(name: str) -> bool:
    """Whether `name` may be called in a script that the hub answers with: a path of names and numbers."""
    return name == _NOBODY or (len(name) <= _LONGEST_CALLBACK and bool(_CALLBACK.fullmatch(name)))


def answered(endpoint: Endpoint, received: Received) -> Response:
    """The answer to a request that was read, and stored as far as it was accepted."""
    flags = received.flags
    if endpoint is Endpoint.IMPORT and received.form in ("json", "ndjson") and not flags.verbose:
        return _modern(received)
    done = 1 if received.accepted or not received.refusals else 0
    return _old(done, _told(received.refusals, received.accepted), flags)


def refused(error: Refused, flags: Flags | None = None) -> Response:
    """The answer to a request that was not taken in: the code, and why."""
    if flags and flags.callback and is_callback(flags.callback):
        return _old(0, error.message, flags)  # a script with another code than 200 is not run
    headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Basic realm="hub"'
    said = f"{error.message} {error.hint}".strip()
    body = {"code": error.status, "error": said, "status": HTTPStatus(error.status).phrase}
    return _json(body, error.status, headers)


def _modern(received: Received) -> Response:
    failed = [
        {
            "index": each.index,
            "$insert_id": each.insert_id,
            "insert_id": each.insert_id,  # as the OpenAPI description of Mixpanel calls it (C14)
            "field": each.field,
            "message": each.message,
        }
        for each in received.refusals
    ]
    body: dict[str, Any] = {"code": 200, "num_records_imported": received.accepted, "status": "OK"}
    if failed and received.flags.strict:
        body = {**body, "code": 400, "error": _FAILED, "failed_records": failed, "status": "Bad Request"}
    elif failed:
        body["failed_records"] = failed
    return _json(body, body["code"], {})


def _old(done: int, problem: str | None, flags: Flags) -> Response:
    if flags.img:
        return Response(_PIXEL, headers=_PLAIN, media_type="image/gif")
    body = orjson.dumps({"status": done, "error": problem}) if flags.verbose else str(done).encode()
    if flags.callback:
        # the comment keeps a name from being read as the beginning of another kind of file
        script = b"/**/" + flags.callback.encode() + b"(" + body + b");"
        return Response(script, headers=_PLAIN, media_type="application/javascript")
    return Response(body, headers=_PLAIN, media_type="application/json" if flags.verbose else "text/plain")


def _told(refusals: Sequence[Refusal], accepted: int) -> str | None:
    """Refusals in a sentence; None when there are none."""
    if not refusals:
        return None
    message = refusals[0].message
    if len(refusals) + accepted == 1:
        return message
    return f"{len(refusals):,} of {len(refusals) + accepted:,} records were refused, the first because: {message}"


def _json(body: dict[str, Any], status: int, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), status, {**_PLAIN, **headers}, "application/json")
