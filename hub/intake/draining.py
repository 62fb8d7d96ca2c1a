"""Moving what has arrived by now, before a question is asked."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

from hub.errors import Busy, StoreError

if TYPE_CHECKING:
    from hub.intake.log import IntakeLog
    from hub.workspace import Workspace

PATIENCE = 30.0
"""Seconds that a question waits for another process to move what had arrived."""

_LOOK_EVERY = 0.02  # seconds
_TRY_EVERY = 0.5  # seconds between two attempts to do it oneself, should the other have died
_FORGIVES_AFTER = 60.0  # seconds until one who has let a question wait in vain is waited for again

_said = logging.getLogger("hub.intake")


class Drain:
    """Moves all that has arrived in the hub of `workspace` when it is called, all projects.

    When another process is moving (the server's mover), that one is asked to hurry and waited for, up to `patience`
    seconds. What cannot be moved is no reason to answer nothing: it is told in a warning, and the question goes on
    without it.
    """

    def __init__(self, workspace: Workspace, *, patience: float = PATIENCE) -> None:
        self._workspace, self._patience = workspace, patience
        self._log: IntakeLog | None = None
        self._gave_up_at = float("-inf")
        self._told = ""

    def hurry(self) -> None:
        """Ask whoever is moving to hurry, and do not wait: what is called next will wait less."""
        with contextlib.suppress(StoreError):  # which the call itself will tell of
            log = self._opened()
            head = log.head() if log else None
            if log and head and head.holds(head.last_id):
                log.want(head.last_id)

    def __call__(self) -> None:
        """Move what has arrived by now."""
        try:
            log = self._opened()
            head = log.head() if log else None
            if log and head and head.holds(head.last_id):
                self._drain(log, head.last_id)
        except StoreError as error:
            self._tell(f"What has arrived lately is left out. {error.message} {error.hint}")

    def _opened(self) -> IntakeLog | None:
        """The log; None as long as nobody has made one."""
        from hub.intake.log import IntakeLog

        if self._log is None:
            log = IntakeLog(self._workspace.settings.intake_url)
            self._log = log if log.exists() else None
        return self._log

    def _drain(self, log: IntakeLog, upto: int) -> None:
        began = time.monotonic()
        patience = self._patience if began > self._gave_up_at + _FORGIVES_AFTER else 0.0
        while not self._moved(log, upto):
            log.want(upto)
            until = min(time.monotonic() + _TRY_EVERY, began + patience)
            while time.monotonic() < until:
                if not log.head().holds(upto):
                    return
                time.sleep(_LOOK_EVERY)
            if time.monotonic() >= began + patience:
                self._gave_up_at = time.monotonic()
                self._tell(
                    "What has arrived lately is left out: another process has been moving it for over "
                    f"{self._patience:.0f} s."
                )
                return

    def _tell(self, sentence: str) -> None:
        """Warn, but not for each of the questions of one command."""
        if sentence != self._told:
            _said.warning("%s", sentence)
        self._told = sentence

    def _moved(self, log: IntakeLog, upto: int) -> bool:
        """Move, unless somebody else does. Returns whether it is done."""
        from hub.intake.mover import Mover
        from hub.store.holding import MOVER, holding

        try:
            with holding(self._workspace.store, MOVER, what="Moving what has arrived") as lease:
                Mover(self._workspace, log, lease).move(upto)
        except Busy:
            return False
        return True
