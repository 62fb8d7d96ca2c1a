"""Events in: what `hub.app` shows of this package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hub.events.report import ImportReport, Progress, Stop
from hub.workspace import Workspace

if TYPE_CHECKING:
    from hub.events.importing import People
    from hub.events.mapping import Mapping


class Events:
    """Taking events in. `people` makes the part that gets to know who is who in them."""

    def __init__(self, workspace: Workspace, people: Callable[[], People] | None = None) -> None:
        self._workspace = workspace
        self._people = people

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

        return import_events(
            self._workspace,
            source,
            mapping=mapping,
            people=self._people() if self._people else None,
            strict=strict,
            progress=progress,
            stop=stop,
        )
