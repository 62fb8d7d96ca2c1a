"""The door in front of a partner's app: it records, limits and faults every request but the admin's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import ceil

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.testing.sandbox.base import Sandbox
from hub.testing.sandbox.faults import Fault, FaultKind, Struck
from hub.testing.sandbox.limits import Refused
from hub.testing.sandbox.lines import Lines

NONSENSE = b"\x00<<<\xff not an answer {]"
CUT = {FaultKind.CUT_BEFORE_COMMIT, FaultKind.ANSWER_LOST}


@dataclass(frozen=True)
class Answer:
    """A whole answer, held back until it is decided what becomes of it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def of(cls, response: Response) -> Answer:
        """The answer that a Starlette response stands for."""
        return cls(response.status_code, list(response.raw_headers), bytes(response.body))


class Gate:
    """The ASGI app that is served: admin calls go to `admin`, all else through the gate to the partner."""

    def __init__(self, sandbox: Sandbox, admin: ASGIApp, lines: Lines) -> None:
        self._sandbox = sandbox
        self._partner = sandbox.app()
        self._admin = admin
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"a sandbox serves plain HTTP, not {scope['type']}")
        if scope["path"].startswith("/_sandbox"):
            await self._admin(scope, receive, send)
        else:
            await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        with ExitStack() as held:
            credential = self._sandbox.credential(_headers(scope))
            entered = [held.enter_context(limit.entered(credential)) for limit in self._sandbox.limits]
            refused = next((each for each in entered if each is not None), None)
            body = await _read(receive)
            if body is None:
                return
            seq = self._record(scope, body)
            # lets all requests that have arrived take their places, or a limit would never see two at once
            await asyncio.sleep(0)
            struck = Struck(0.0, None) if refused else self._sandbox.faults.strike(scope["method"], scope["path"])
            await asyncio.sleep(struck.seconds)
            try:
                answer = self._refusal(refused) if refused else await self._answer(scope, body, struck.fault)
            except Exception:
                self._sandbox.recorder.answered(seq, status=500, milliseconds=_since(started))
                raise
            self._close_record(seq, scope, answer, struck, started)
        await self._deliver(answer, struck.fault, scope, receive, send)

    def _record(self, scope: Scope, body: bytes) -> int:
        method, path = scope["method"], scope["path"]
        keys = self._sandbox.member_keys(method, path, body)
        return self._sandbox.recorder.arrived(method, path, scope["query_string"].decode("latin-1"), body, keys)

    def _close_record(self, seq: int, scope: Scope, answer: Answer | None, struck: Struck, started: float) -> None:
        kind = struck.fault.kind if struck.fault else None
        self._sandbox.recorder.answered(
            seq,
            status=answer.status if answer else None,
            milliseconds=_since(started),
            fault=kind or (FaultKind.LATENCY if struck.seconds else None),
            dropped=kind in CUT or kind is FaultKind.HALF_BODY or self._lines.gone(scope),
        )

    async def _answer(self, scope: Scope, body: bytes, fault: Fault | None) -> Answer | None:
        """Do the work unless the fault comes before it; what the client is to see. None: nothing was done."""
        if fault is not None and fault.kind is FaultKind.CUT_BEFORE_COMMIT:
            return None
        if fault is not None and fault.kind is FaultKind.STATUS:
            if fault.after_commit:
                await _captured(self._partner, scope, body)
            return self._faulty(fault)
        answer = await _captured(self._partner, scope, body)
        if fault is not None and fault.kind is FaultKind.NONSENSE:
            return _nonsense(answer, fault)
        return answer

    def _refusal(self, refused: Refused) -> Answer:
        response = self._sandbox.refusal(429, refused.reason)
        if refused.retry_after is not None:
            response.headers["Retry-After"] = str(ceil(refused.retry_after))
        return Answer.of(response)

    def _faulty(self, fault: Fault) -> Answer:
        if fault.body is None:
            response = self._sandbox.refusal(fault.status, "a fault on demand")
        else:
            response = Response(_encoded(fault), fault.status, media_type=_content_type(fault))
        response.headers.update(fault.headers)
        if fault.retry_after is not None:
            response.headers["Retry-After"] = f"{fault.retry_after:g}"
        return Answer.of(response)

    async def _deliver(
        self, answer: Answer | None, fault: Fault | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if answer is None or (fault is not None and fault.kind in CUT):
            await self._lines.cut(scope, receive, flush=False)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if fault is not None and fault.kind is FaultKind.HALF_BODY:
            half = answer.body[: len(answer.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await self._lines.cut(scope, receive, flush=True)
            return
        await send({"type": "http.response.body", "body": answer.body})


async def _captured(app: ASGIApp, scope: Scope, body: bytes) -> Answer:
    """Run `app` on a request whose body was read already; its answer is kept instead of sent."""
    status, headers, chunks, given = 500, [], [], False

    async def receive() -> Message:
        nonlocal given
        if given:
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", []))
        else:
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(status, headers, b"".join(chunks))


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client hung up in the middle of it."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _headers(scope: Scope) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _nonsense(answer: Answer, fault: Fault) -> Answer:
    body = NONSENSE if fault.body is None else _encoded(fault)
    headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-length"]
    return replace(answer, headers=[*headers, (b"content-length", str(len(body)).encode())], body=body)


def _encoded(fault: Fault) -> bytes:
    return fault.body.encode() if isinstance(fault.body, str) else orjson.dumps(fault.body)


def _content_type(fault: Fault) -> str | None:
    if fault.content_type is not None or fault.body == "":
        return fault.content_type
    if not isinstance(fault.body, str):
        return "application/json"
    return "text/html" if fault.body.startswith("<") else "text/plain"


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
