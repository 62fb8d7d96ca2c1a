"""The class that every sandbox partner is a subclass of."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hub.testing.sandbox.faults import Faults
from hub.testing.sandbox.limits import ConcurrencyLimit, Limit
from hub.testing.sandbox.recorder import Recorder


class Sandbox(ABC):
    """A partner on this machine. State lives in `home`, a folder of its own, and survives a restart.

    A subclass gives the class attributes, `app`, `settings` and `reset`; the rest has a working default. The app
    may assume that it is alone: it is called on one thread, and commits what it does before it answers.
    """

    name: ClassVar[str]
    """The partner's name on the command line: `mailchimp`."""
    label: ClassVar[str]
    """The partner's name for people: `Mailchimp`."""
    default_port: ClassVar[int]
    """The port it listens on unless told otherwise."""

    def __init__(self, home: Path, *, keep_bodies: bool = False) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.recorder = Recorder(home / "requests.db", keep_bodies=keep_bodies)
        self.faults = Faults()
        self.limits: Sequence[Limit] = self.account_limits()

    @abstractmethod
    def app(self) -> ASGIApp:
        """The partner's API. Paths under `/_sandbox/` never reach it."""

    @abstractmethod
    def settings(self, url: str) -> dict[str, str]:
        """The settings with which `hub connection add` reaches this sandbox at `url` (`http://127.0.0.1:8801`)."""

    def account_limits(self) -> Sequence[Limit]:
        """The limits of the account, asked once. By default concurrency is observed, nothing is refused."""
        return [ConcurrencyLimit(None)]

    def credential(self, headers: Mapping[str, str]) -> str:
        """Whose limits a request spends, from its lower-cased headers; by default by `authorization`."""
        return hashlib.blake2b(headers.get("authorization", "").encode(), digest_size=8).hexdigest()

    def member_keys(self, method: str, path: str, body: bytes) -> list[str] | None:
        """The keys of the members that a request writes, for the record; None when it writes none."""
        return None

    def refusal(self, status: int, reason: str) -> Response:
        """An error answer in the partner's own shape: over a limit, or a fault without a body."""
        return JSONResponse({"error": reason}, status)

    def admin_routes(self) -> Sequence[Route]:
        """More admin endpoints, below `/_sandbox`. The first line of an endpoint's docstring is its help."""
        return []

    def state(self) -> dict[str, Any]:
        """What the partner holds, in counts."""
        return {}

    @abstractmethod
    def reset(self) -> None:
        """Go back to the state of the first start."""

    def close(self) -> None:
        """Close files. A subclass that opens some closes them and calls this."""
        self.recorder.close()
