"""`python -m benchmarks.inbound`: what the door takes in beside a bare app, and message events into the lake.

1. Door and floor take turns, each as fast as one loader can: the same requests, one signed message event each, over the
   same connections. The floor is a Starlette app on the hub's own HTTP stack that verifies the same signature and has
   the body on the disk before it answers. The door does so too, while what came in is decoded beside it.
2. `--events` message events (a million), kept as requests of 500: decoded, looked up in the lake, appended, settled.
   Then the month's tracked users, which leave the exempt ones out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import orjson

from checks.serving import HUB, environment, free_port, serving
from hub.connectors.signing import signature_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_CONNECTIONS = 32
_PREPARED = 20_000
_A_REQUEST = 500
_KINDS = ("sent", "delivered", "opened", "clicked")


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-seconds", type=float, default=8.0)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["door", "events"])
    parser.add_argument("--floor", nargs=2, metavar=("PORT", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.floor:
        _floor(int(asked.floor[0]), asked.floor[1])
        return
    if asked.only in (None, "door"):
        _ratio(asked.rounds, asked.round_seconds)
    if asked.only in (None, "events"):
        _events(asked.events)


def _ratio(rounds: int, seconds: float) -> None:
    hub, floor = 0.0, 0.0
    for _ in range(rounds):
        with TemporaryDirectory() as folder:
            floor = max(floor, _round_of_the_floor(Path(folder), seconds))
        with _hub() as home:
            hub = max(hub, _round_of_the_hub(home, seconds))
    print(f"inbound door: hub {hub:,.0f} requests/s, floor {floor:,.0f}, {hub / floor:.0%} of it (target 50 %)")


def _round_of_the_floor(folder: Path, seconds: float) -> float:
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.inbound", "--floor", str(port), f"{folder}/bodies"])
    try:
        for _ in range(1_000):
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.02)
        return asyncio.run(_load(port, "/in/crm", seconds))
    finally:
        server.kill()
        server.wait()


def _round_of_the_hub(home: Path, seconds: float) -> float:
    port = free_port()
    with serving(home, port):
        return asyncio.run(_load(port, "/in/crm", seconds))


async def _load(port: int, path: str, seconds: float) -> float:
    """Requests a second that were answered with 200."""
    prepared = iter(_requests(path, _PREPARED))
    answered = 0
    until = time.monotonic() + seconds

    async def connection() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < until and (request := next(prepared, None)):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 200 " not in head[:16]:
                raise SystemExit(f"it answered {head!r}")
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0] or 0))
            answered += 1
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(connection() for _ in range(_CONNECTIONS)))
    return answered / (time.monotonic() - began)


def _requests(path: str, count: int) -> list[bytes]:
    """Whole requests, signed before the clock starts."""
    made, at = [], datetime.now(UTC)
    for number in range(count):
        body = orjson.dumps(_event(number, at))
        headers = signature_headers([SECRET], message_id=f"msg_{number}", at=at, body=body)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        made.append(
            f"POST {path} HTTP/1.1\r\nHost: hub\r\n{head}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
    return made


def _event(number: int, at: datetime) -> dict[str, object]:
    """A message event as partners send them: a person, a message, a campaign, and some more."""
    return {
        "type": f"message.{_KINDS[number % 4]}",
        "timestamp": (at - timedelta(seconds=number % 86_400)).isoformat(),
        "data": {
            "id": f"evt_{number:012x}",
            "email": f"user{number % 200_000}@example.com",
            "message_id": f"msg_{number // 4:010x}",
            "campaign": {"id": f"c{number % 50}", "name": f"Campaign {number % 50}"},
            "channel": "email",
            "subject": "We miss you",
            "link": "https://shop.example.com/sale",
            "machine": number % 20 == 0,
        },
    }


def _floor(port: int, path: str) -> None:
    import uvicorn
    from standardwebhooks import Webhook
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    webhook, turn = Webhook(SECRET), threading.Lock()
    with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - the bare app has no need of pathlib

        def append(body: bytes) -> None:
            with turn:
                file.write(body)
                os.fdatasync(file.fileno())

        async def take(request: Request) -> Response:
            body = await request.body()
            webhook.verify(body, dict(request.headers), json_parse=False)
            await asyncio.to_thread(append, body)
            return Response()

        app = Starlette(routes=[Route("/in/crm", take, methods=["POST"])])
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def _events(count: int) -> None:
    from hub.app import Hub
    from hub.connectors.incoming import InboundRequest
    from hub.inbound.log import InboundLog
    from hub.inbound.requests import Arrived
    from hub.inbound.working import spare_the_collector

    with _hub() as home:
        hub = Hub.open(home)
        log, at = InboundLog(hub.settings.intake_url), datetime.now(UTC)
        log.create()
        connection = hub.connections.get("crm").id
        for first in range(0, count, _A_REQUEST * 100):
            last = min(first + _A_REQUEST * 100, count)
            bodies = [
                orjson.dumps([_event(number, at) for number in range(start, min(start + _A_REQUEST, last))])
                for start in range(first, last, _A_REQUEST)
            ]
            log.append([Arrived(connection, InboundRequest("POST", {}, {}, body, at)) for body in bodies])
        spare_the_collector()
        began, spent = time.monotonic(), time.process_time()
        done = hub.inbound.decode("crm")
        took, cpu = time.monotonic() - began, time.process_time() - spent
        assert done.new == count, done
        began = time.monotonic()
        mtu = hub.mtu(at.strftime("%Y-%m"))
        print(
            f"{count:,} message events: decoded, looked up, appended and settled at {count / took:,.0f} a second, "
            f"{count / cpu:,.0f} a second of CPU (target 50,000); tracked users {mtu.mtu:,}, exempt "
            f"{mtu.exempt_only:,}, asked in {time.monotonic() - began:.1f} s"
        )


@contextmanager
def _hub() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        subprocess.run([HUB, "init"], env=environment(home), check=True, stdout=subprocess.DEVNULL)
        add = [HUB, "connection", "add", "webhook", "crm", "--set", f"inbound_secret={SECRET}", "--json"]
        made = subprocess.run(add, env=environment(home), check=True, capture_output=True)
        assert json.loads(made.stdout)["name"] == "crm"
        yield home


if __name__ == "__main__":
    main()
