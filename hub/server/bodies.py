"""Reading the body of a request: bounded in bytes, in time, and together with all others that are being read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from hub.ingestion.received import Refused


class InFlight:
    """The bytes of requests that are in memory now. Beyond `most`, clients are told to come back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.bytes = 0

    @contextmanager
    def one(self) -> Iterator[Held]:
        """Hold one request for as long as the block runs."""
        held = Held(self)
        held.grow(0)
        try:
            yield held
        finally:
            self.bytes -= held.bytes

    def check(self) -> None:
        """Raises Refused (429) when there is too much already."""
        if self.bytes > self._most:
            raise Refused("The hub is busy with other requests.", 429, retry_after=1)


class Held:
    """One request in memory: its body, as much of it as is there, and what is made of it."""

    def __init__(self, flight: InFlight) -> None:
        self._flight = flight
        self.bytes = 0

    def grow(self, size: int) -> None:
        """Count `size` more bytes. Raises Refused (429) when all requests together are too much."""
        self._flight.bytes += size
        self.bytes += size
        self._flight.check()


async def read_body(request: Request, held: Held, *, most: int, seconds: float) -> bytes:
    """The whole body of `request`, of at most `most` bytes, that came within `seconds`.

    Raises Refused: 413 at the first byte too many, or before the first one when the head says so; 408; 429; 400 when
    the client went away in the middle.
    """
    if int(request.headers.get("content-length", 0)) > most:
        raise _too_large(most)
    pieces = []
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                held.grow(len(piece))
                if held.bytes > most:
                    raise _too_large(most)
                pieces.append(piece)
    except TimeoutError as error:
        raise Refused(f"The body did not come within {seconds:g} seconds.", 408) from error
    except ClientDisconnect as error:
        raise Refused("The client went away.", 400) from error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(most: int) -> Refused:
    return Refused(f"The request is larger than {most // 1024 // 1024} MB.", 413)
