"""The connections of a running server, so that one can be cut in the middle."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol


class Lines:
    """Open connections by the client's address, which the ASGI scope names too."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}
        self._reported = False

    def protocol(self) -> type[H11Protocol]:
        """The uvicorn protocol class which reports its connections here."""
        lines = self._open
        self._reported = True

        class Line(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                if self.client is not None:
                    lines[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                if self.client is not None:
                    lines.pop(self.client, None)

        return Line

    def gone(self, scope: Scope) -> bool:
        """Whether the client of this request has hung up already."""
        line = self._open.get(tuple(scope.get("client") or ()))
        return self._reported and (line is None or line.is_closing())

    async def cut(self, scope: Scope, receive: Receive, *, flush: bool) -> None:
        """Cut the connection of this request; with `flush` what was written so far still goes out.

        Raises ConnectionResetError when the app runs under a server that did not report its connections.
        """
        line = self._open.get(tuple(scope.get("client") or ()))
        if line is None:
            raise ConnectionResetError("the sandbox cut the connection")
        if flush:
            line.close()
        else:
            line.abort()
        # uvicorn answers 500 for an app that returns before the loss of the connection has reached it
        while (await receive())["type"] != "http.disconnect":
            pass
