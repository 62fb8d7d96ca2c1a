"""The way in for requests, for all projects of a hub."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.access import AT_MOST_EVERY, LASTS, Access
from hub.clock import now
from hub.errors import StoreError
from hub.events.request import MAX_REQUEST_BYTES
from hub.ingestion.received import Incoming, Received, Refused, received
from hub.intake.gate import Gate
from hub.intake.log import Backlog, IntakeLog
from hub.intake.position import make_ready

if TYPE_CHECKING:
    from hub.workspace import Project, Workspace

MOST_BYTES = MAX_REQUEST_BYTES
"""How long the body of one request may be."""

_SMALL = 16 * 1024
"""Bytes of a body that is decoded at once: handing it to another thread would cost more than it gives."""
_GZIP = b"\x1f\x8b"
_THREADS = 2
_WATCH_EVERY = 0.5  # seconds
_FULL = 30  # seconds until a client may try again when nothing can be stored


@dataclass
class Counts:
    """What came in since the server started, in records but for `requests` and `unreadable`, which are requests.

    `unknown` had no token that works, or came with a login that does not; `last_unknown` are the last characters of the
    last such token, which is no secret.
    """

    requests: int = 0
    unreadable: int = 0
    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    last_unknown: str = ""


class Ingestion:
    """Belongs to one event loop, between `open` and `close`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._settings = workspace.settings
        self._access = Access(workspace.store)
        self._log = IntakeLog(workspace.settings.intake_url)
        self._gate = Gate(self._log)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="decode")
        self._backlog: Backlog | None = None
        self.counts = Counts()
        self._problem, self._problem_until = "", 0.0

    def open(self) -> None:
        """Begin to take in. Raises StoreError when the intake log or the control plane cannot be used."""
        make_ready(self._log, self._workspace.store, self._workspace.lake)
        self._access.refresh()
        self._backlog = self._log.backlog()
        self._gate.open()

    def close(self) -> None:
        """Store what is under way, and end."""
        self._pool.shutdown()
        self._gate.close()
        self._log.close()

    async def watch(self) -> None:
        """Look at the tokens and at the backlog now and then, until cancelled."""
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            try:
                self._backlog = await asyncio.to_thread(self._log.backlog)
                if self._access.age > LASTS - _WATCH_EVERY:
                    await asyncio.to_thread(self._access.refresh)
            except StoreError as error:
                self._note(error)

    @property
    def problem(self) -> str:
        """Why nothing could be stored lately, or tokens not be read; empty when all is well.

        It is over after a while without requests, too: whoever was kept away because of it has to try again.
        """
        return self._problem if time.monotonic() < self._problem_until else ""

    @property
    def backlog(self) -> Backlog | None:
        """What is stored and not moved to the lake yet, as of half a second ago."""
        return self._backlog

    def check_room(self) -> None:
        """Raises Refused (429) when more is waiting to be moved than the settings allow."""
        waiting, most = self._backlog, self._settings
        if waiting and (waiting.records > most.server_backlog_records or waiting.bytes > most.server_backlog_bytes):
            raise Refused("More is waiting than the hub can move at once.", 429, retry_after=5)

    async def login(self, authorization: str, project_id: str) -> Project:
        """The project that a request to `/import` writes to, by its header `Authorization` and its `project_id`.

        A `project_id` that names no project of this hub, such as Mixpanel's own, is let pass. Raises Refused: 401, or
        403 when it names another project than the login's.
        """
        user, password = _basic(authorization)
        found = self._access.login(user, password)
        if found is None and user:
            await self._look_again()
            found = self._access.login(user, password)
        if found is None:
            self.counts.unknown += 1
            raise Refused("The hub knows no such token, secret or service account.", 401)
        named = self._access.named(project_id) if project_id else None
        if named is not None and named.id != found.id:
            raise Refused("The login is that of another project than project_id.", 403)
        return found

    async def read(self, incoming: Incoming, project: Project | None) -> Received:
        """Find and check the records of a request; `project` is the one of its `login`, if it needs any.

        Raises Refused when nothing can be told apart in it.
        """
        self.counts.requests += 1
        try:
            found = await self._read(incoming, project)
            if found.strange_tokens:
                await self._look_again()
                if any(self._access.project_of(token) for token in found.strange_tokens):
                    found = await self._read(incoming, project)
        except Refused:
            self.counts.unreadable += 1
            raise
        return found

    async def keep(self, found: Received) -> None:
        """Store what was read, so that it survives anything. Raises Refused (503): then nothing of it is stored."""
        if found.arrivals:
            try:
                await self._gate.put(found.arrivals)
            except StoreError as error:
                self._note(error)
                raise Refused("The hub cannot store anything now.", 503, retry_after=_FULL) from error
            self._problem_until = 0.0
        self.counts.accepted += found.accepted
        self.counts.refused += len(found.refusals) - found.unknown
        self.counts.unknown += found.unknown
        for token in found.strange_tokens:
            self.counts.last_unknown = token[-4:]

    async def _look_again(self) -> None:
        """Look for a token that was made a moment ago. Requests with strange tokens wait for one look together."""
        asked = time.monotonic()
        await asyncio.sleep(max(AT_MOST_EVERY - self._access.age, 0))
        try:
            await asyncio.to_thread(self._access.refresh, asked)
        except StoreError as error:
            self._note(error)

    def _note(self, error: StoreError) -> None:
        self._problem, self._problem_until = error.message, time.monotonic() + _FULL

    async def _read(self, incoming: Incoming, project: Project | None) -> Received:
        if len(incoming.body) <= _SMALL and not incoming.body.startswith(_GZIP):
            return received(incoming, project, self._access.project_of, now())
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, received, incoming, project, self._access.project_of, now()
        )


def _basic(authorization: str) -> tuple[str, str]:
    """User and password of a Basic login; twice empty when it is none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
