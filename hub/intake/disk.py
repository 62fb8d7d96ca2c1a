"""Making sure that what was written is on the disk, and not only in the machine's memory."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path


def flush(*folders: Path) -> None:
    """Return when everything written to the file systems of `folders` so far is on the disk.

    The lake's files are not synced one by one, and the control plane's last transactions are not either: a power cut
    could take away what the intake log was told to forget. Raises OSError when the disk cannot keep it.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux: all file systems of the machine
        os.sync()
        return
    done = set()
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            device = os.fstat(descriptor).st_dev
            if device not in done and syncfs(descriptor):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
            done.add(device)
        finally:
            os.close(descriptor)
