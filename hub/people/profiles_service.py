"""Profiles in: what `hub.app` shows of this package."""

from __future__ import annotations

from pathlib import Path

from hub.events.report import ImportReport, Progress, Stop
from hub.workspace import Workspace


class Profiles:
    """Taking profiles in."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def import_file(
        self,
        source: str | Path,
        *,
        strict: bool = False,
        progress: Progress | None = None,
        stop: Stop | None = None,
    ) -> ImportReport:
        """Import a file of profile updates (`-`: standard input), once. See `hub.people.profiles.import_profiles`."""
        from hub.people.profiles import import_profiles

        return import_profiles(self._workspace, source, strict=strict, progress=progress, stop=stop)
