"""The mover and the decoder beside a server: processes of their own, so that they take no time from requests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

_LOOK_EVERY = 0.2  # seconds
_END_SECONDS = 4.0  # it finishes the batch in hand, which it could be killed in the middle of as well
_LONGEST_PAUSE = 10.0  # seconds between its end and a new one
_LASTED = 30.0  # seconds after which it ran well


MOVING, DECODING = "hub.intake.moving", "hub.inbound.working"
"""What such a process runs."""


class Mover:
    """Keeps one `module` running on the hub in `home`, and starts it again whenever it ends."""

    def __init__(self, home: Path, module: str = MOVING) -> None:
        self._home = home
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    async def keep(self) -> None:
        """Start it, and start it again whenever it has ended, until cancelled. It runs on then."""
        pause = _LOOK_EVERY
        while True:
            started = time.monotonic()
            self._process = self._started()
            while self.alive:  # noqa: ASYNC110 - a process tells nobody that it ends
                await asyncio.sleep(_LOOK_EVERY)
            self._let_go()
            pause = _LOOK_EVERY if time.monotonic() - started > _LASTED else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not: it may be killed anywhere. Blocks for a few seconds at most."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LOOK_EVERY)
        self._let_go()

    def _let_go(self) -> None:
        """Close the pipe to a process that has ended."""
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def _started(self) -> subprocess.Popen[bytes]:
        # a session of its own: Ctrl-C in a terminal is for the server, which tells the mover when it is time;
        # a pipe that nobody writes to: it ends when this process is killed, and so the mover ends
        return subprocess.Popen(
            [sys.executable, "-P", "-m", self._module],
            env={**os.environ, "HUB_HOME": str(self._home)},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
