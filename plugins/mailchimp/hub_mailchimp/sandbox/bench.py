"""How fast the sandbox is, so that a slow sync is not blamed on it: `python -m hub_mailchimp.sandbox.bench`."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub_mailchimp.sandbox.account import API_KEY, FIRST_LIST

START_SECONDS = 30.0


@dataclass(frozen=True)
class Speed:
    """Calls a second, one after another over one connection, the client's own time included."""

    upsert: float
    """Bulk upserts of new contacts."""
    upsert_again: float
    """Bulk upserts of contacts that exist, with a tag."""
    tag: float
    """Bulk tag calls."""
    batch: int
    """Members a call."""


def benchmark(calls: int = 200, batch: int = 500) -> Speed:
    """Run a sandbox in a process of its own and measure `calls` calls of `batch` members of each kind."""
    chunks = [
        [f"person{n}@bench.example" for n in range(start, start + batch)] for start in range(0, calls * batch, batch)
    ]
    members = [[{"email_address": email, "status_if_new": "subscribed"} for email in chunk] for chunk in chunks]
    tagged = [[{**member, "tags": ["hub: bench"]} for member in chunk] for chunk in members]
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as connection:
        audience = f"/3.0/lists/{FIRST_LIST}"
        tag = json.loads(_post(connection, f"{audience}/segments", json.dumps({"name": "bench", "static_segment": []})))
        return Speed(
            upsert=_rate(connection, audience, [{"update_existing": True, "members": each} for each in members]),
            upsert_again=_rate(connection, audience, [{"update_existing": True, "members": each} for each in tagged]),
            tag=_rate(connection, f"{audience}/segments/{tag['id']}", [{"members_to_add": each} for each in chunks]),
            batch=batch,
        )


@contextmanager
def _served(home: Path) -> Iterator[http.client.HTTPConnection]:
    command = [sys.executable, "-m", "hub_mailchimp.sandbox", "--home", str(home), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        host, _, port = _url(home / "running.json", process).removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        yield connection
        connection.close()
    finally:
        process.terminate()
        process.wait()


def _url(note: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not note.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the sandbox did not start")
        time.sleep(0.02)
    return str(json.loads(note.read_text())["url"])


def _rate(connection: http.client.HTTPConnection, path: str, bodies: list[dict[str, object]]) -> float:
    encoded = [json.dumps(body) for body in bodies]
    started = time.perf_counter()
    for body in encoded:
        _post(connection, path, body)
    return len(encoded) / (time.perf_counter() - started)


def _post(connection: http.client.HTTPConnection, path: str, body: str) -> bytes:
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
    connection.request("POST", path, body.encode(), headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != http.client.OK:
        raise RuntimeError(f"{response.status}: {answer[:200]!r}")
    return answer


def main() -> None:
    """Measure and print."""
    speed = benchmark()
    sys.stdout.write(
        f"calls of {speed.batch} a second: upsert {speed.upsert:.0f}, upsert of known with tag"
        f" {speed.upsert_again:.0f}, tag {speed.tag:.0f}\n"
    )


if __name__ == "__main__":
    main()
