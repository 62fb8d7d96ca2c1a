"""Profiles: what `hub.app` shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import NotFound
from hub.events.report import ImportReport, Progress, Stop
from hub.workspace import Workspace

if TYPE_CHECKING:
    from hub.people.profile_history import Change
    from hub.people.profile_state import Stored


class Profiles:
    """Profiles: taken in, as they are now, and how they came to be so."""

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

    def get(self, distinct_id: str) -> Stored:
        """The profile of an id, with everything that has arrived by now.

        Under original identity any id of the person will do: it is the profile of the canonical one, else the one that
        changed last. Under simplified identity a profile belongs to exactly its id. Raises NotFound when there is none.
        """
        from hub.people.profile_state import stored

        if self._workspace.drain:
            self._workspace.drain()
        ids = self._ids(distinct_id)
        with self._workspace.store.reading() as connection:
            found = stored(connection, self._workspace.project.id, ids)
        if not found:
            raise _unknown(f"There is no profile of {distinct_id!r}.")
        canonical = ids[0]
        return max(found, key=lambda each: (each.distinct_id == canonical, each.seq))

    def history(self, distinct_id: str) -> Iterator[Change]:
        """Every change of the profile of an id, the oldest first; under original identity of all profiles of a person.

        Raises NotFound, when it is gone through, when there never was one.
        """
        from hub.people.profile_history import profile_history

        changes = profile_history(self._workspace, self._ids(distinct_id))
        first = next(changes, None)
        if first is None:
            raise _unknown(f"There never was a profile of {distinct_id!r}.")
        yield first
        yield from changes

    def _ids(self, distinct_id: str) -> list[str]:
        """The ids whose profiles are meant, the canonical one first."""
        if self._workspace.project.identity == "simplified":
            return [distinct_id]
        from hub.people.profile_state import ids_of

        with self._workspace.store.reading() as connection:
            return ids_of(connection, self._workspace.project.id, distinct_id)


def _unknown(message: str) -> NotFound:
    return NotFound(message, hint="Ids are taken letter for letter; `hub person show ID` tells what is known of one.")
