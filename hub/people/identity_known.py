"""Links that are recorded already: nearly every event repeats one, and the database need not be asked each time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event

from hub.people.identity_links import Link

_MOST = 100_000
_Pair = tuple[str, str, str]


class Known:
    """Up to some 200,000 links of one project that this process has recorded or found recorded, the latest used."""

    def __init__(self) -> None:
        self._young: dict[_Pair, int] = {}
        self._old: dict[_Pair, int] = {}
        self._lock = threading.Lock()

    def unknown(self, links: Sequence[Link]) -> list[Link]:
        """The links that may tell something: not recorded, or with a later time than these have."""
        with self._lock:
            young, old = self._young, self._old
            never = max((link.time for link in links), default=0) + 1
            return [
                link
                for link in links
                if link.time < young.get(pair := link[:3], never) and link.time < old.get(pair, never)
            ]

    def remember(self, links: Sequence[Link]) -> None:
        """These are recorded."""
        with self._lock:
            for link in links:
                self._young[link[:3]] = link.time
            if len(self._young) > _MOST:
                self._old, self._young = self._young, {}


_known: WeakKeyDictionary[Engine, dict[int, Known]] = WeakKeyDictionary()


def known(connection: Connection, project_id: int) -> Known:
    """What is known of the links of a project in this database."""
    return _known.setdefault(connection.engine, {}).setdefault(project_id, Known())


def remember_when_committed(connection: Connection, project_id: int, links: Sequence[Link]) -> None:
    """Remember links that this transaction records, once it is committed: it may yet be rolled back."""
    event.listen(connection, "commit", lambda _: known(connection, project_id).remember(links), once=True)
