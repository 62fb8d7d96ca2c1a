"""Requests to partners, as a ledger sees them: told before they leave and after their answer, without secrets.

Whoever works for a run says so with `recorded_by`; every request that a connector makes through its client meanwhile is
told to that recorder. Headers of requests are never told: they carry the credentials.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Protocol
from urllib.parse import quote, quote_plus

import httpx
from pydantic import BaseModel, SecretStr

HIDDEN = b"[secret]"
"""What stands in the place of a secret."""
SHORTEST = 4
"""A secret of fewer characters is not looked for: it would stand in every text."""

_REQUEST_IDS = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "x-amz-request-id", "cf-ray")


class Recorder(Protocol):
    """Keeps requests. Both may raise StoreError: a request that cannot be written down does not leave."""

    def leaves(self, method: str, url: str, body: bytes) -> int:
        """A request leaves now. Returns its number."""

    def answered(self, number: int, *, seconds: float, status: int, body: bytes, request_id: str, error: str) -> None:
        """Its answer has come, or (status 0, with the `error`) none will."""


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


@contextmanager
def recorded_by(recorder: Recorder) -> Iterator[None]:
    """Tell `recorder` of every request that is made within, and in the tasks that are begun within."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)


class Secrets:
    """The secrets of a connection, each in the forms in which it may stand in an address or a body."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values if len(value) >= SHORTEST for form in _forms(value)}
        self._forms = sorted(forms, key=len, reverse=True)  # one that contains another goes first

    def removed(self, content: bytes) -> bytes:
        """`content` without them."""
        for form in self._forms:
            if form in content:
                content = content.replace(form, HIDDEN)
        return content


class Exchange:
    """One request and its answer, on their way to the recorder of this task, if there is one."""

    def __init__(self, secrets: Secrets, method: str, url: str, body: bytes | None) -> None:
        self._secrets = secrets
        self._recorder = _recorder.get()
        self._started = monotonic()
        if self._recorder:
            told = secrets.removed(url.encode()).decode(errors="replace")
            self._number = self._recorder.leaves(method, told, secrets.removed(body or b""))

    def answered(self, response: httpx.Response) -> None:
        """The partner has answered."""
        if self._recorder:
            found = next((response.headers[name] for name in _REQUEST_IDS if name in response.headers), "")
            self._tell(response.status_code, self._secrets.removed(response.content), found, "")

    def failed(self, error: Exception) -> None:
        """No answer has come, or none that can be read."""
        if self._recorder:
            said = self._secrets.removed((str(error) or type(error).__name__).encode()).decode(errors="replace")
            self._tell(0, b"", "", said)

    def _tell(self, status: int, body: bytes, request_id: str, error: str) -> None:
        if self._recorder:
            seconds = monotonic() - self._started
            self._recorder.answered(
                self._number, seconds=seconds, status=status, body=body, request_id=request_id, error=error
            )


def secrets_of(settings: BaseModel) -> Secrets:
    """The secret values of a connection's settings, wherever in them they stand."""
    return Secrets(_secret_values(settings))


def _secret_values(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, each in value:
            yield from _secret_values(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _secret_values(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _secret_values(each)


def _forms(value: str) -> Iterator[bytes]:
    quoted = quote(value, safe=""), quote_plus(value)
    in_json = (json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False))
    for text in (value, *quoted, *in_json):
        yield text.encode()
    yield base64.b64encode(value.encode()).rstrip(b"=")
    yield base64.urlsafe_b64encode(value.encode()).rstrip(b"=")
