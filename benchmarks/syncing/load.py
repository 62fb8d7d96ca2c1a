"""How many requests a second the receiver takes from clients that cost next to nothing."""

from __future__ import annotations

import asyncio
from time import perf_counter
from urllib.parse import urlsplit

import orjson

from benchmarks.syncing.partner import AT_ONCE, BATCH, body
from benchmarks.syncing.receiver import PATH


def alone(url: str, requests: int = 4_000) -> float:
    """Requests a second of bodies like those of a delivery, eight at a time, written out before."""
    values = {"country": "NO", "first_name": "Barbara", "ltv": 1234.5}
    content = orjson.dumps(body("add", ((f"person-{number:08}@example.com", values) for number in range(BATCH))))
    head = f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    began = perf_counter()
    asyncio.run(_load(urlsplit(url).port or 80, head + content, requests))
    return requests / (perf_counter() - began)


async def _load(port: int, request: bytes, requests: int) -> None:
    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(requests // AT_ONCE):
            writer.write(request)
            await reader.readuntil(b"}")
        writer.close()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
