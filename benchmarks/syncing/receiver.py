"""A partner that is nothing but fast: it takes requests, counts them, and answers with a few bytes.

    python -m benchmarks.syncing.receiver

Prints its port on one line and serves on 127.0.0.1 until it is ended. `GET /_counted` tells what was posted since
`DELETE /_counted`: `requests`, `bytes` (of bodies), `digest` (the sum of the CRC-32 of the bodies, so that the same
bodies in any order have the same), and `instants` (when each came, in seconds of this machine's steady clock). It
checks nothing.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import dataclass, field

import httptools
import orjson
import uvloop

PATH = "/audiences/1/members"
TAKEN = b'{"taken":true}'
ACCOUNT = b'{"id":"bench"}'


@dataclass
class Counted:
    """What came in."""

    requests: int = 0
    bytes: int = 0
    digest: int = 0
    instants: list[float] = field(default_factory=list)

    def note(self, body: bytes) -> None:
        """One more request that posts."""
        self.requests += 1
        self.bytes += len(body)
        self.digest = (self.digest + zlib.crc32(body)) & 0xFFFFFFFF
        self.instants.append(time.monotonic())

    def told(self) -> bytes:
        """The figures as JSON, with when each request came (seconds of this machine's steady clock)."""
        return orjson.dumps(
            {"requests": self.requests, "bytes": self.bytes, "digest": self.digest, "instants": self.instants}
        )


class Receiver(asyncio.Protocol):
    """One connection: whole bodies are counted, and each request is answered at once."""

    counted = Counted()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._pieces: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """The path of the request."""
        self._path = url

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        method, body = self._parser.get_method(), b"".join(self._pieces)
        self._pieces.clear()
        answer = ACCOUNT
        if method == b"POST":
            self.counted.note(body)
            answer = TAKEN
        elif self._path == b"/_counted":
            answer = self.counted.told()
            if method == b"DELETE":
                Receiver.counted = Counted()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
        )


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
