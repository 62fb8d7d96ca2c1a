"""The demo's home: a folder that only the demo writes, and the only one that it ever empties."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hub.errors import Busy, StoreError, UsageError

MARKER = ".cohort-hub-demo"
_FIGURES = "figures.json"


@dataclass(frozen=True)
class DemoHome:
    """A folder that was found or made to be a demo's home, and is held by this process alone."""

    path: Path

    @property
    def finished(self) -> bool:
        """Whether a demo ran here to its end."""
        return self._figures.exists()

    def empty(self) -> None:
        """Remove everything of an earlier demo."""
        for found in self.path.iterdir():
            if found.name == MARKER:
                continue
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink()

    def finish(self, figures: dict[str, Any]) -> None:
        """Note that a demo ran here to its end, with its figures."""
        self._figures.write_bytes(orjson.dumps(figures) + b"\n")

    @property
    def _figures(self) -> Path:
        return self.path / _FIGURES


@contextmanager
def claimed(path: Path) -> Iterator[DemoHome]:
    """The demo home in `path`, made if there is nothing, for this process alone and for as long as the context lasts.

    Raises UsageError when something else is there (nothing is touched), Busy when another demo has it, StoreError.
    """
    path = path.absolute()
    marker = path / MARKER
    try:
        _refuse_foreign(path, marker)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = marker.open("a")
    except OSError as error:
        raise StoreError(
            f"No demo home can be made in {path}: {error.strerror}.", hint="Choose another: --home DIR."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(
                f"Another demo is running in {path}.", hint="End it, or choose another home: --home DIR."
            ) from error
        yield DemoHome(path)


def _refuse_foreign(path: Path, marker: Path) -> None:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is not a folder.", hint="Choose another home: --home DIR.")
    if path.is_dir() and not marker.exists() and any(path.iterdir()):
        raise UsageError(
            f"{path} is not a demo's home, and the demo empties its home. Nothing was changed.",
            hint="Choose another one, or an empty folder: --home DIR.",
        )


@contextmanager
def own_settings(home: DemoHome) -> Iterator[None]:
    """Keep the user's own settings out: whatever is opened within lies in the demo's home, databases included."""
    own = {
        "HUB_HOME": str(home.path),
        "HUB_DATABASE_URL": "",
        "HUB_LAKE": str(home.path / "lake"),
        "HUB_PROJECT": "",
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
