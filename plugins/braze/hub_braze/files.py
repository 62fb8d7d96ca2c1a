"""Message events from the files of Currents in a folder: each file's rows once, whatever appears when.

Braze delivers at least once, may deliver late, and names files by the hour in which it wrote them. How the files come
from the bucket into the folder (`aws s3 sync`, rclone, a mount) is the operator's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from hub import Cursor, MessageEvent, PartnerUnavailable, Unknown
from hub.clock import now as clock_now
from hub_braze.consumed import OPEN, Consumed, Found
from hub_braze.events import message_event
from hub_braze.kinds import BY_KIND, MESSAGES
from hub_braze.reading import Broken, UnfinishedError, is_of_currents, rows_of, type_of

log = logging.getLogger(__name__)

EVENTS_A_PAGE = 2000
KEPT_BY_FILE = timedelta(days=3)
"""For so long files are known one by one; older days as a whole."""
BEING_WRITTEN = timedelta(minutes=15)
"""A file that changed within so long may still be written: it may end too soon."""

_DAY = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
_TOLD = 3

Page = tuple[Sequence[MessageEvent], Cursor]


async def pull(
    folder: Path, cursor: Cursor, *, external_id_property: str, now: Callable[[], datetime] = clock_now
) -> AsyncIterator[Page]:
    """Message events that were not read before, page by page, each with the cursor to go on from.

    Files that cannot be read are left out, everything else goes in, and PartnerUnavailable tells of them at the end, as
    long as they lie there. Raises it, too, when the folder is not there.
    """
    if not await asyncio.to_thread(folder.is_dir):
        raise PartnerUnavailable(
            f"The folder {folder} of the Currents files is not there.", hint="Mount it, or set currents_folder anew."
        )
    reading = _Reading(folder, Consumed.of(cursor), external_id_property, now())
    pages = reading.pages()
    while (page := await asyncio.to_thread(next, pages, None)) is not None:
        yield page
    reading.tell()


@dataclass
class _Reading:
    folder: Path
    consumed: Consumed
    external_id_property: str
    at: datetime
    _events: list[MessageEvent] = field(default_factory=list)

    def pages(self) -> Iterator[Page]:
        self.consumed.learn(BY_KIND)
        found = sorted(_found(self.folder))
        self.consumed.forget_gone(found)
        for day, files in groupby(found, key=lambda file: file.day):
            yield from self._day(day, [*files])
        yield self._page()

    def tell(self) -> None:
        """Raise PartnerUnavailable if there is something that could not be read."""
        broken = self.consumed.broken
        if self.consumed.unnamed:
            log.warning("Currents files hold events without a name here: %s", ", ".join(sorted(self.consumed.unnamed)))
        if broken:
            some = "; ".join(f"{path}: {reason}" for path, reason in islice(sorted(broken.items()), _TOLD))
            more = f"; and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
            raise PartnerUnavailable(
                f"{len(broken)} of the files in {self.folder} cannot be read whole: {some}{more}.",
                hint="Everything else went in. Mend those files, or take them out of the folder.",
            )

    def _day(self, day: date, files: list[Found]) -> Iterator[Page]:
        if self.consumed.is_closed(day, files):
            return
        self.consumed.days.pop(day.isoformat(), None)
        for file in files:
            yield from self._file(file)
        if day < (self.at - KEPT_BY_FILE).date():
            self.consumed.close(day, files)

    def _file(self, file: Found) -> Iterator[Page]:
        done = self.consumed.rows_read(file)
        if done is None:
            return
        rows = done
        self.consumed.broken.pop(file.path, None)
        try:
            for row in islice(rows_of(self.folder / file.path), done, None):
                self._take(file, row)
                rows += 1
                if len(self._events) >= EVENTS_A_PAGE:
                    self.consumed.files[file.key] = (OPEN, rows)
                    yield self._page()
        except UnfinishedError as error:
            if self.at.timestamp() - file.changed < BEING_WRITTEN.total_seconds():
                self.consumed.files[file.key] = (OPEN, rows)
                return
            self._broken(file, str(error))
        except OSError as error:  # it was taken away, or may not be read
            self.consumed.files[file.key] = (OPEN, rows)
            self._broken(file, f"{type(error).__name__} {error.strerror or ''}".strip())
            return
        self.consumed.files[file.key] = (file.size, rows)

    def _take(self, file: Found, row: list[Any] | Broken) -> None:
        if isinstance(row, Broken):
            self._broken(file, row.reason)
            return
        named = type_of(file.path)
        for told in row:
            read = message_event(told, external_id_property=self.external_id_property, event_type=named)
            if isinstance(read, MessageEvent):
                self._events.append(read)
            else:
                self._nameless(file, read, named)

    def _nameless(self, file: Found, unknown: Unknown, named: str) -> None:
        event_type = str(unknown.payload.get("event_type") or named) if isinstance(unknown.payload, dict) else ""
        if not event_type or event_type in BY_KIND:
            self._broken(file, unknown.reason)
        elif event_type.startswith(MESSAGES):
            self.consumed.unnamed.add(event_type)

    def _broken(self, file: Found, reason: str) -> None:
        self.consumed.broken.setdefault(file.path, reason)

    def _page(self) -> Page:
        events, self._events = self._events, []
        return events, self.consumed.cursor


def _found(folder: Path) -> Iterator[Found]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not is_of_currents(name):
                continue
            path = Path(place, name)
            try:
                seen = path.stat()
            except OSError:  # it was taken away meanwhile
                continue
            told = str(path.relative_to(folder))
            yield Found(_day_of(told, seen.st_mtime), told, seen.st_size, seen.st_mtime)


def _day_of(path: str, changed: float) -> date:
    if (named := _DAY.search(path)) is not None:
        try:
            return date.fromisoformat(named.group(1))
        except ValueError:
            pass
    return datetime.fromtimestamp(changed, UTC).date()
