"""HTTP connections that nobody can hold open by being slow, and whose heads have a bound.

uvicorn's parser on httptools has neither time limits but for idle connections, nor a limit on the size of a head. The
time that a body may take is the reader's matter (`hub.server.bodies`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

IDLE_SECONDS = 75
"""How long a connection may be kept without a request."""

_TOO_SLOW = (408, b"Request Timeout")
_TOO_LONG = (431, b"Request Header Fields Too Large")
_TOO_MANY = (503, b"Service Unavailable")


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `most` open ones are served; who comes then is told to come back.

    The head of a request may take `head_seconds` and have `head_bytes` (a browser's largest GET has 8 KB). The rest of
    a body that is not wanted any more is thrown away for `rest_seconds`, so that its client sees the answer. Answers
    may stay unread for `answer_seconds`.
    """

    most = 4096
    head_seconds = 10.0
    head_bytes = 64 * 1024
    rest_seconds = 5.0
    answer_seconds = 30.0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._within_request = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Serve the connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(*_TOO_MANY)
        else:
            self._allow(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its time limits."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a piece. The first one after a request begins the time of the next head."""
        if self.transport.is_closing():
            return
        if not self._within_request and not self._head_bytes:
            self._allow(self.head_seconds)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > self.head_bytes:
            self._refuse(*_TOO_LONG)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._within_request = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is read: the body's reader looks at the time now."""
        self._head_bytes = 0
        self._disarm()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is read."""
        self._head_bytes = 0
        self._within_request = False
        if self.cycle.response_complete:
            self._allow(IDLE_SECONDS)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The request is answered, perhaps before it was read."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._allow(self.rest_seconds if self._within_request else IDLE_SECONDS)

    def pause_writing(self) -> None:
        """The client does not read its answers."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _allow(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self._time_is_up)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _time_is_up(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self._allow(self.head_seconds)  # the head of a request that came behind the one at work
        elif self._head_bytes and not self.transport.is_closing():
            self._refuse(*_TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, status: int, phrase: bytes) -> None:
        self._disarm()
        if not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\nretry-after: 5\r\nconnection: close\r\n\r\n" % (status, phrase)
            )
            self.transport.close()


def guarded(**limits: float) -> type[GuardedProtocol]:
    """A protocol class with other `limits`, by the names that GuardedProtocol has them under."""
    return type("GuardedProtocol", (GuardedProtocol,), limits)
