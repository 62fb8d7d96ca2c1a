"""What a hub keeps is for its owner alone: people's data as well as secrets."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

OTHERS = 0o077
"""What everybody else may do with a file."""

OURS = ("hub.db*", "intake.db*", "secret.key", "lake", "runs", "sandbox")
"""What the hub makes in its home. The home itself may be anybody's folder, and `hub.toml` is the operator's."""


def keep_private() -> None:
    """Let this process, and those that it starts, make files that only their owner can read.

    A folder with default access rules of its own (`setfacl -d`) goes by those instead.
    """
    os.umask(OTHERS)


def readable_by_others(home: Path) -> list[Path]:
    """What the hub keeps in `home` and others can get at; folders are not looked into."""
    if not home.is_dir() or home.stat().st_mode & OTHERS == 0:
        return []
    return [path for path in _ours(home) if path.stat().st_mode & OTHERS]


def make_private(home: Path) -> None:
    """Take from everybody but the owner what an older hub, or another program, let them do with what is in `home`.

    What a running hub takes away meanwhile, or what belongs to somebody else, is passed over.
    """
    for top in _ours(home):
        _close(top)
        for folder, folders, files in os.walk(top):
            for name in (*folders, *files):
                _close(Path(folder, name))


def _close(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        mode = path.lstat().st_mode
        if mode & OTHERS and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)


def _ours(home: Path) -> Iterator[Path]:
    return (path for pattern in OURS for path in home.glob(pattern) if not path.is_symlink())
