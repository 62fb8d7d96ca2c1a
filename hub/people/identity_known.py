"""Links that are recorded already: nearly every event repeats one, and the database need not be asked each time.

A link is remembered by 64 bits, Python's own keyed hash of it: 16 bytes with its time. That one link is taken for
another, and so passed over by this process, has odds of one in ten trillion where a million are remembered.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, event

from hub.people.identity_links import Link

_Numbers = npt.NDArray[np.int64]

_MOST = 4_000_000
"""Links that are remembered: 64 MB. Beyond that the oldest are forgotten, which costs a question and no more."""
_RUN = 1_000_000


class Known:
    """The links, of all projects of one database, that this process has had to do with last.

    They are kept in runs, each sorted by hash, the oldest first; small runs are merged as they come.
    """

    def __init__(self) -> None:
        self._runs: list[tuple[_Numbers, _Numbers]] = []
        self._lock = threading.Lock()

    def unknown(self, project_id: int, links: Sequence[Link]) -> list[Link]:
        """Those that may tell something: not remembered, or with an earlier time than is remembered."""
        with self._lock:
            runs = [*self._runs]
        if not (runs and links):
            return [*links]
        hashes, times = _hashes(project_id, links), _times(links)
        told = np.zeros(len(links), np.bool_)
        for run, since in runs:
            place = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            told |= (run[place] == hashes) & (since[place] <= times)
        return [links[number] for number in np.flatnonzero(~told).tolist()]

    def remember(self, project_id: int, links: Sequence[Link]) -> None:
        """These are recorded, with their times or earlier ones."""
        if not links:
            return
        newest = _sorted(_hashes(project_id, links), _times(links))
        with self._lock:
            while self._runs and len(self._runs[-1][0]) < min(2 * len(newest[0]), _RUN):
                before = self._runs.pop()
                newest = _sorted(*(np.concatenate(pair) for pair in zip(before, newest, strict=True)))
            self._runs.append(newest)
            while sum(len(run) for run, _ in self._runs) > _MOST and len(self._runs) > 1:
                del self._runs[0]


def _hashes(project_id: int, links: Sequence[Link]) -> _Numbers:
    return np.fromiter((hash((project_id, *link[:3])) for link in links), np.int64, len(links))


def _times(links: Sequence[Link]) -> _Numbers:
    return np.fromiter((link.time for link in links), np.int64, len(links))


def _sorted(hashes: _Numbers, times: _Numbers) -> tuple[_Numbers, _Numbers]:
    """In the order of hashes, each once, with its earliest time."""
    order = np.lexsort((times, hashes))
    hashes, times = hashes[order], times[order]
    first = np.concatenate(([True], hashes[1:] != hashes[:-1]))
    return hashes[first], times[first]


_known: WeakKeyDictionary[Engine, Known] = WeakKeyDictionary()


def known(connection: Connection) -> Known:
    """What this process remembers of the links in a database."""
    return _known.setdefault(connection.engine, Known())


def remember_when_committed(connection: Connection, project_id: int, links: Sequence[Link]) -> None:
    """Remember links that this transaction records, once it is committed: it may yet be rolled back."""
    event.listen(connection, "commit", lambda _: known(connection).remember(project_id, links), once=True)
