"""The answer of OAuth, awaited on this machine alone: a server on 127.0.0.1 that takes one answer and ends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hub.connectors.authorizing import Asking, NotAnswered
from hub.errors import UsageError

HOST = "127.0.0.1"
PATH = "/oauth"
PORT = 8790
"""As long as none is given: partners compare the redirect address with the registered one, to the letter."""
PATIENCE = 300.0
"""Seconds that the account's owner has."""

_SILENCE = 10.0  # seconds until a connection that asks nothing is closed; browsers open some in advance


class Callback:
    """Waits for the answer to one question."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._answers: queue.Queue[tuple[str, str]] = queue.Queue()
        self._asked: Asking | None = None
        self.redirect_uri = f"http://{HOST}:{server.server_address[1]}{PATH}"

    def wait(self, asked: Asking, seconds: float = PATIENCE) -> str:
        """The code that the owner's consent brings. Raises NotAnswered: refused, or nobody came back in time."""
        self._asked = asked
        try:
            code, error = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise NotAnswered(
                f"Nobody came back from {asked.kind.label} within {seconds:.0f} seconds.",
                hint="On another machine's browser: forward the port there first, "
                f"ssh -L {urlsplit(self.redirect_uri).port}:{urlsplit(self.redirect_uri).netloc} THIS-HOST.",
            ) from None
        if error:
            raise NotAnswered(f"{asked.kind.label} was not connected: {error}.", hint="Try again, and allow it.")
        return code

    def take(self, path: str) -> tuple[int, str]:
        """Look at one request; what to answer. Only the first answer to our question counts."""
        address = urlsplit(path)
        if address.path != PATH or self._asked is None:
            return 404, "There is nothing here."
        told = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if not self._asked.is_answered(told.get("state", "")):
            return 400, "This is not the answer to the hub's question. Nothing was connected."
        if told.get("code"):
            self._answers.put((told["code"], ""))
            return 200, "The hub has the answer. This window can be closed."
        self._answers.put(("", told.get("error_description") or told.get("error") or "no code came"))
        return 200, "The hub was not allowed. This window can be closed."


@contextmanager
def callback(port: int) -> Iterator[Callback]:
    """A server that waits for an answer as long as the block lasts; `port` 0 takes a free one.

    Raises UsageError when the port is taken.
    """
    waiting: list[Callback] = []

    class Handler(BaseHTTPRequestHandler):
        timeout = _SILENCE

        def do_GET(self) -> None:
            status, said = waiting[0].take(self.path)
            body = f"<!doctype html><meta charset=utf-8><title>Cohort hub</title><p>{said}</p>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Referrer-Policy", "no-referrer")  # the address holds the code
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: the address holds the code."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"The port {port} of this machine cannot be listened at: {error}.",
            hint="Give another with --callback-port, and register that one's address.",
        ) from error
    waiting.append(Callback(server))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield waiting[0]
    finally:
        server.shutdown()
        server.server_close()
