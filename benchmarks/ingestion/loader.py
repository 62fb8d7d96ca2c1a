"""The loader: one process that posts batches of events to `/import` over a few connections, as fast as it may.

    python -m benchmarks.ingestion.loader PORT --user USER [--seconds 30] [--rate 0] [--back 86400]

Bodies are made before the clock starts; each request gets `$insert_id`s that nobody has sent before. A 429 is obeyed.
Prints one JSON object: `requests`, `events`, `refused` (429 and 503), `seconds`, `cpu`, `p50` and `p99` (seconds of an
answer).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import time
from dataclasses import dataclass, field

import orjson

BATCH = 2_000
_TEMPLATES = 16
_PEOPLE = 200_000
_DAY = 86_400  # seconds
_MARK = b"@@@@@@@@"


@dataclass
class _Load:
    """What is sent, and what came of it."""

    port: int
    user: str
    until: float
    pause: float
    bodies: list[bytes]
    requests: int = 0
    refused: int = 0
    took: list[float] = field(default_factory=list)
    sent: int = 0

    def next_body(self) -> bytes:
        self.sent += 1
        return self.bodies[self.sent % len(self.bodies)].replace(
            _MARK, b"%08x" % (self.sent + int(self.until) * 4096 & 0xFFFFFFFF)
        )


def bodies(count: int = _TEMPLATES, batch: int = BATCH, seed: int = 1, *, back: int = _DAY) -> list[bytes]:
    """Batches of events with eight properties, of the last `back` seconds; each `$insert_id` begins with a mark to be
    replaced."""
    chance = random.Random(seed)
    now = int(time.time())
    return [orjson.dumps([_event(chance, now - chance.randrange(back)) for _ in range(batch)]) for _ in range(count)]


def _event(chance: random.Random, at: int) -> dict[str, object]:
    return {
        "event": chance.choice(["Sign Up", "Purchase", "App Open", "Search", "Page View"]),
        "properties": {
            "distinct_id": f"user-{chance.randrange(_PEOPLE)}",
            "time": at,
            "$insert_id": f"{_MARK.decode()}-{chance.getrandbits(80):020x}",
            "plan": chance.choice(["free", "pro"]),
            "country": chance.choice(["NO", "SE", "DE", "FR", "US"]),
            "amount": round(chance.random() * 100, 2),
            "units": chance.randrange(9),
            "first": chance.random() < 0.5,
            "campaign": f"spring-{chance.randrange(50)}",
            "browser": chance.choice(["Firefox", "Chrome"]),
            "version": f"1.{chance.randrange(40)}",
        },
    }


async def _connection(load: _Load, first: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    who = base64.b64encode(f"{load.user}:".encode()).decode()
    turn = first
    body = load.next_body()
    while (began := time.monotonic()) < load.until:
        if load.pause:
            turn += load.pause
            await asyncio.sleep(max(0.0, turn - began))
            began = time.monotonic()
        writer.write(
            f"POST /import?strict=1 HTTP/1.1\r\nHost: hub\r\nAuthorization: Basic {who}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)
        status, wait = await _answer(reader)
        if status == 200:
            load.requests += 1
            load.took.append(time.monotonic() - began)
            body = load.next_body()
        elif status in (429, 503):
            load.refused += 1
            await asyncio.sleep(wait)
        else:
            raise SystemExit(f"the server answered {status}")
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, float]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    await reader.readexactly(int(fields.get("content-length", 0)))
    return int(head.split(" ", 2)[1]), float(fields.get("retry-after", 1))


async def _run(load: _Load, connections: int) -> None:
    start = time.monotonic()
    step = load.pause / connections
    await asyncio.gather(*(_connection(load, start + number * step) for number in range(connections)))


def main() -> None:
    """Send, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--user", default="nobody")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.0, help="events a second in all; 0: as fast as it may")
    parser.add_argument("--back", type=int, default=_DAY, help="seconds that the events lie back at most")
    asked = parser.parse_args()
    made = bodies(back=asked.back)
    pause = asked.connections * BATCH / asked.rate if asked.rate else 0.0
    began, spent = time.monotonic(), time.process_time()
    load = _Load(asked.port, asked.user, began + asked.seconds, pause, made)
    asyncio.run(_run(load, asked.connections))
    took = sorted(load.took) or [0.0]
    figures = {
        "requests": load.requests,
        "events": load.requests * BATCH,
        "refused": load.refused,
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - spent,
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
