"""The health file: how a daemon is, for whoever watches it. It is written whole or not at all, and read by anybody."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hub.clock import ago, now
from hub.errors import HubError

STALE = timedelta(seconds=60)
"""A daemon whose last tick is further away than this is not well."""
WRITES_EVERY = timedelta(seconds=5)
"""How often a daemon writes its file when nothing changes."""

RUNNING, ENDED = "running", "ended"


@dataclass(frozen=True)
class Health:
    """How a daemon is: `state` is running or ended, `running` what it works on, `problems` what went wrong last, by
    sync, connection or part of the hub, until it goes well again."""

    state: str
    pid: int
    version: str
    started_at: str
    last_tick_at: str
    syncs_at_once: int
    metrics: str | None = None
    running: Sequence[Mapping[str, str]] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


class HealthFile:
    """The file of one daemon. While another daemon has it, this one leaves it alone, and takes it over when that ends.

    Raises HubError when it cannot be written, at the first attempt only: later a daemon has more to do than that.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def write(self, health: Health) -> bool:
        """Write the file, if it is this daemon's. Returns whether it is."""
        if not self._owned():
            return False
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            beside.write_text(json.dumps(asdict(health), indent=2) + "\n")
            beside.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise self._unwritable(error) from error
        return True

    def close(self) -> None:
        """Leave the file to the next daemon."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _owned(self) -> bool:
        if self._lock is not None:
            return True
        try:
            lock = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _unwritable(self, error: OSError) -> HubError:
        return HubError(
            f"The health file {self.path} cannot be written: {error.strerror}.",
            hint="Make its folder writable, or set HUB_DAEMON_HEALTH to another path.",
        )


@dataclass(frozen=True)
class Verdict:
    """Whether a daemon is well, in a sentence, and what its file says (None: there is none that can be read)."""

    well: bool
    said: str
    health: Mapping[str, Any] | None

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub daemon --check --json`."""
        return {"well": self.well, "said": self.said, "health": self.health}


def check(path: Path, who: str = "daemon") -> Verdict:
    """Judge a health file: well is a daemon (or a worker) that runs and whose last tick was within a minute."""
    try:
        health = json.loads(path.read_text())
        tick, state = datetime.fromisoformat(health["last_tick_at"]), str(health["state"])
    except FileNotFoundError:
        return Verdict(False, f"No {who} has run here: there is no {path}.", None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Verdict(False, f"{path} cannot be read: {error}.", None)
    if state == ENDED:
        return Verdict(False, f"The {who} ended {ago(tick)}.", health)
    if abs(now() - tick) > STALE:
        return Verdict(False, f"The {who} {health.get('pid')} gave its last sign of life {ago(tick)}.", health)
    problems = health.get("problems") or {}
    said = f"The {who} {health.get('pid')} is well, and works on {len(health.get('running') or ())} things."
    return Verdict(True, said + "".join(f"\n  {name}: {what}" for name, what in problems.items()), health)
