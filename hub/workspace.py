"""What every domain package works on: one project of one hub, its control plane and its lake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from pathlib import Path

    from hub.lake.lake import Lake
    from hub.lake.reading import DuckDbReader, Reader
    from hub.settings import Settings
    from hub.store.store import Store


@dataclass(frozen=True)
class Project:
    """A project: its events, people, cohorts and syncs are kept apart from those of all others.

    `timezone` is an IANA name; local days, months and hours are those of this zone. `identity` is `simplified`
    or `original`.
    """

    id: int
    name: str
    timezone: str
    identity: str

    @cached_property
    def zone(self) -> ZoneInfo:
        """The project's time zone."""
        return ZoneInfo(self.timezone)


class Drain(Protocol):
    """What moves into the lake whatever has arrived by now (`hub.intake.draining`)."""

    def hurry(self) -> None:
        """Have it begun by whoever is moving, and do not wait."""

    def __call__(self) -> None:
        """Have it done."""


@dataclass(frozen=True)
class Workspace:
    """One project, with everything that its rules need to read and write."""

    settings: Settings
    store: Store
    lake: Lake
    project: Project
    drain: Drain | None = None
    """Moves what has arrived by now into the lake: called before the lake is opened for a question of a person."""

    @property
    def runs_folder(self) -> Path:
        """Where the files of sync runs are kept, one folder a run."""
        return self.settings.home / "runs"

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Open the lake for questions, with the engine, the memory and the threads that the settings say.

        What has arrived by now is moved there first. Raises as of `hub.lake.reading.asking`.
        """
        from hub.lake.reading import asking

        if self.drain:
            self.drain.hurry()
        settings = self.settings
        with asking(
            self.lake, engine=settings.engine, memory_limit=settings.memory_limit, threads=settings.threads
        ) as reader:
            if self.drain:
                self.drain()
            yield reader

    @contextmanager
    def reading_here(self) -> Iterator[DuckDbReader]:
        """Open the lake within this process, whatever the engine: for the hub's own books (what partners hold, a run's
        plan, whether an event is there already), which are small, and beside files of this machine.

        What has arrived by now is moved there first.
        """
        from hub.lake.reading import reading

        if self.drain:
            self.drain.hurry()
        with reading(self.lake, memory_limit=self.settings.memory_limit, threads=self.settings.threads) as reader:
            if self.drain:
                self.drain()
            yield reader
