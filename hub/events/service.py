"""Events in: what `hub.app` shows of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hub.events.report import ImportReport, Progress, Stop
from hub.workspace import Workspace

if TYPE_CHECKING:
    from hub.events.mapping import Mapping


class Events:
    """Taking events in."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def import_file(
        self,
        source: str | Path,
        *,
        mapping: Mapping | None = None,
        strict: bool = False,
        progress: Progress | None = None,
        stop: Stop | None = None,
    ) -> ImportReport:
        """Import a file of events (`-`: standard input), once. See `hub.events.importing.import_events`."""
        from hub.events.importing import import_events

        return import_events(self._workspace, source, mapping=mapping, strict=strict, progress=progress, stop=stop)
