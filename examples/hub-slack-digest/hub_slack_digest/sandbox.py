"""A channel on this machine: one incoming webhook, and what was written with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hub.testing.sandbox import Sandbox, open_database

TOKEN = "sandbox0123456789abcdef"  # opens nothing but the sandbox
HEAD = re.compile(r"\*\d+ (entered|left)\* (.*)")


class SlackDigestSandbox(Sandbox):
    """Slack on this machine, as far as an incoming webhook reaches."""

    name = "slack-digest"
    label = "Slack digest"
    default_port = 8871

    def __init__(self, home: Path, *, keep_bodies: bool = False) -> None:
        super().__init__(home, keep_bodies=keep_bodies)
        self.db = open_database(
            home / "channel.db", "CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, text TEXT)"
        )

    def settings(self, url: str) -> dict[str, str]:
        """The webhook that is known."""
        return {"webhook_url": f"{url}/services/T0SANDBOX/B0SANDBOX/{TOKEN}"}

    def app(self) -> Starlette:
        """The webhook."""
        return Starlette(routes=[Route("/services/{team}/{app}/{token}", self.write, methods=["POST"])])

    def admin_routes(self) -> list[Route]:
        """The channel."""
        return [Route("/_sandbox/messages", self.show)]

    def member_keys(self, method: str, path: str, body: bytes) -> list[str] | None:
        """Whom a message names, those who left with a - in front."""
        text = str(json.loads(body).get("text", ""))
        head = HEAD.match(text)
        return [("-" if head[1] == "left" else "") + name for name in _named(text)] if head else None

    def refusal(self, status: int, reason: str) -> Response:
        """A word, as Slack answers."""
        words = {400: "invalid_payload", 403: "action_prohibited", 404: "no_service", 410: "channel_is_archived"}
        return PlainTextResponse(words.get(status, "rollup_error"), status)

    def state(self) -> dict[str, Any]:
        """How many messages there are."""
        return {"messages": self.db.execute("SELECT count(*) FROM messages").fetchone()[0]}

    def reset(self) -> None:
        """An empty channel."""
        self.db.execute("DELETE FROM messages")

    def close(self) -> None:
        """Close the files."""
        self.db.close()
        super().close()

    async def write(self, request: Request) -> Response:
        """Write a message into the channel."""
        if request.path_params["token"] != TOKEN:
            return self.refusal(404, "no such webhook")
        try:
            text = (await request.json())["text"]
        except (ValueError, KeyError, TypeError):
            return self.refusal(400, "no message")
        if not text:
            return PlainTextResponse("no_text", 400)
        self.db.execute("INSERT INTO messages (text) VALUES (?)", (text,))
        return PlainTextResponse("ok")

    async def show(self, request: Request) -> Response:
        """Every message, oldest first, and who is in each cohort by what the channel was told."""
        texts = [row["text"] for row in self.db.execute("SELECT text FROM messages ORDER BY id")]
        return JSONResponse({"messages": texts, "cohorts": {name: sorted(who) for name, who in _held(texts).items()}})


def _held(texts: Iterable[str]) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    for text in texts:
        if head := HEAD.match(text):
            who = held.setdefault(head[2], set())
            who |= _named(text) if head[1] == "entered" else set()
            who -= _named(text) if head[1] == "left" else set()
    return held


def _named(text: str) -> set[str]:
    return {line.removeprefix("• ") for line in text.splitlines() if line.startswith("• ")}
