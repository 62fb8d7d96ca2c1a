"""A receiver of alerts: a real server on loopback that verifies what it gets with the standard's own library."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError


@dataclass
class Receiver:
    """Answers with `status` (and `headers`); `got` has each body that was verified with one of `secrets`, and its id.

    Without secrets it takes everything.
    """

    url: str = ""
    secrets: list[str] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """What was told, in order: kind, change and level."""
        told = (alert for _, body in self.got for alert in body["data"]["alerts"])
        return [(each["kind"], each["change"], each["level"]) for each in told]

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Verify a request and keep it; returns the status to answer with."""
        number = headers.get("webhook-id", "")
        if self.secrets and not any(_verified(secret, headers, body) for secret in self.secrets):
            self.refused.append(number)
            return 401
        if self.status < 300:
            self.got.append((number, json.loads(body)))
        else:
            self.refused.append(number)
        return self.status


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/secret/path"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def _verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True
