"""The warehouses of a project: kept with their passwords sealed, and opened for reading alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hub.clock import now
from hub.cohorts.lists.sources import SQL
from hub.cohorts.warehouses.kinds import Address, Opened, address_of, opened
from hub.errors import AlreadyExists, HubError, NotFound, UsageError
from hub.store.secrets import open_vault
from hub.store.tables import cohorts, warehouses

if TYPE_CHECKING:
    from sqlalchemy import Row

    from hub.workspace import Workspace

_LONGEST_NAME = 255


@dataclass(frozen=True)
class Warehouse:
    """A database that is asked for members. `url` has no password; `message` is what was wrong when it was last
    checked, empty when it worked."""

    name: str
    url: str
    message: str
    checked_at: datetime | None

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub warehouse list --json`."""
        return {"warehouse": self.name, "url": self.url, "message": self.message, "checked_at": self.checked_at}


class Warehouses:
    """The warehouses of one project. Methods block."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store = workspace.store

    def add(self, name: str, url: str) -> Warehouse:
        """Keep a warehouse, if it can be reached. `url` may have a password, which is kept apart and encrypted.

        Raises UsageError (the name, the address), AlreadyExists, AddressRefused, WarehouseError; then nothing is kept.
        """
        name = name.strip()
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise UsageError("A warehouse needs a name of one line.", hint="Such as shop.")
        if any(known.name == name for known in self.list()):
            raise _taken(name)
        address, at = address_of(url), now()
        self._try(name, address)
        values = {"project_id": self._workspace.project.id, "name": name, "created_at": at, **self._stored(address)}
        try:
            with self._store.writing() as connection:
                connection.execute(warehouses.insert().values(values))
        except IntegrityError as error:
            raise _taken(name) from error
        return self.get(name)

    def edit(self, name: str, url: str) -> Warehouse:
        """Give a warehouse another address or password, if it can be reached. Raises as of `add`, and NotFound."""
        row, address = self._row(name), address_of(url)
        self._try(name, address)
        with self._store.writing() as connection:
            connection.execute(warehouses.update().where(warehouses.c.id == row.id).values(self._stored(address)))
        return self.get(name)

    def check(self, name: str) -> Warehouse:
        """Ask whether a warehouse can be reached, and keep the answer. Raises NotFound."""
        row, said = self._row(name), ""
        try:
            self._try(name, self._address(row))
        except HubError as error:
            said = f"{error.message} {error.hint}".strip()
        values = {"message": said, "checked_at": now()}
        with self._store.writing() as connection:
            connection.execute(warehouses.update().where(warehouses.c.id == row.id).values(values))
        return self.get(name)

    def list(self) -> list[Warehouse]:
        """Every warehouse, by name."""
        with self._store.reading() as connection:
            return [_shown(row) for row in connection.execute(self._query().order_by(warehouses.c.name))]

    def get(self, name: str) -> Warehouse:
        """The warehouse called `name`. Raises NotFound with the nearest name."""
        return _shown(self._row(name))

    def remove(self, name: str) -> None:
        """Forget a warehouse and its password. Raises NotFound, and UsageError while a cohort is asked of it."""
        row = self._row(name)
        query = select(cohorts.c.name, cohorts.c.definition).where(
            cohorts.c.project_id == self._workspace.project.id, cohorts.c.kind == SQL, cohorts.c.removed_at.is_(None)
        )
        with self._store.writing() as connection:
            found = sorted(each.name for each in connection.execute(query) if each.definition[SQL]["warehouse"] == name)
            if found:
                raise UsageError(
                    f"The warehouse {name!r} is asked by the cohort{'s' * (len(found) > 1)} "
                    f"{', '.join(map(repr, found[:5]))}.",
                    hint="Remove that first, with `hub cohort remove`.",
                )
            connection.execute(warehouses.delete().where(warehouses.c.id == row.id))

    @contextmanager
    def opened(self, name: str, scratch: Path) -> Iterator[Opened]:
        """Open a warehouse for reading alone; `scratch` is a folder for what does not fit into memory.

        Raises NotFound, WarehouseError (also for what goes wrong within the block), AddressRefused.
        """
        with opened(name, self._address(self._row(name)), self._workspace.settings, scratch) as found:
            yield found

    def _try(self, name: str, address: Address) -> None:
        with (
            TemporaryDirectory(dir=self._workspace.settings.home, prefix="warehouse-") as scratch,
            opened(name, address, self._workspace.settings, Path(scratch)) as found,
        ):
            for _ in found.batches(found.query("SELECT 1 AS works")):
                pass

    def _stored(self, address: Address) -> dict[str, Any]:
        at = now()
        secrets = open_vault(self._workspace.settings).seal({"password": address.password})
        return {"url": address.url, "secrets": secrets, "message": "", "checked_at": at, "updated_at": at}

    def _address(self, row: Row[Any]) -> Address:
        return Address(row.url, open_vault(self._workspace.settings).open(row.secrets)["password"])

    def _query(self) -> Any:
        return select(warehouses).where(warehouses.c.project_id == self._workspace.project.id)

    def _row(self, name: str) -> Row[Any]:
        with self._store.reading() as connection:
            rows = {row.name: row for row in connection.execute(self._query())}
        if name not in rows:
            near = difflib.get_close_matches(name, rows, n=1)
            known = ", ".join(sorted(rows)) or "none yet; add one with `hub warehouse add NAME --url URL`"
            hint = f"Did you mean {near[0]}?" if near else f"There are: {known}."
            raise NotFound(f"There is no warehouse {name!r}.", hint=hint)
        return rows[name]


def _shown(row: Row[Any]) -> Warehouse:
    return Warehouse(row.name, row.url, row.message, row.checked_at)


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"There is a warehouse {name!r} already.", hint="Choose another name, or change it with edit.")
