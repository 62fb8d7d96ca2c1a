"""Connections: accounts at partners, with their settings, their secrets, and whether they work."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError

from hub.clock import now
from hub.connectors.connection import CONNECTED, WRONG, Connection, Place, state_after
from hub.connectors.containing import contained, containing
from hub.connectors.contract import Account, Connector, ConnectorSettings, Option
from hub.connectors.fields import SettingField, alike, fields_of, split_secrets, validated
from hub.connectors.guarding import guard_of
from hub.connectors.matching import MatchOn, identity_warning, match_of, match_texts
from hub.connectors.pacing import Pace
from hub.connectors.plugins import Plugins
from hub.connectors.shares import AccountBooks
from hub.errors import (
    AlreadyExists,
    NotFound,
    PartnerError,
    UsageError,
)
from hub.store.removal import Uses, retire_syncs, uses
from hub.store.secrets import open_vault
from hub.store.tables import audiences, connections, doors, pulls, syncs
from hub.workspace import Workspace

T = TypeVar("T")


@dataclass(frozen=True)
class Tried:
    """Settings with which an account was found to work."""

    kind: type[Connector]
    settings: ConnectorSettings
    account: Account


class Connections:
    """The connections of one project. Methods that ask the partner are async; the others may block shortly."""

    def __init__(self, workspace: Workspace, plugins: Plugins) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._plugins = plugins

    def fields(self, connector: str) -> list[SettingField]:
        """The settings that a connector asks for. Raises NotFound for an unknown connector."""
        return fields_of(self._plugins.connector(connector))

    async def options(self, connector: str, values: Mapping[str, Any], setting: str) -> list[Option]:
        """What the account behind `values` offers for a setting of kind `options`.

        Raises UsageError for wrong values and the PartnerError that the partner answers with.
        """
        kind = self._plugins.connector(connector)
        async with self._opened(kind, validated(kind, values), read_attempts=1) as opened:
            return await contained(opened, opened.options(setting))

    async def add(self, connector: str, name: str, values: Mapping[str, Any], *, match: str = "") -> Connection:
        """Check that the account can be used, and keep the connection. Nothing is kept when it cannot.

        A setting of kind `options` that is missing is filled in when the account offers just one choice. `match` as of
        `rematch`. Raises AlreadyExists, NotFound (connector), UsageError, PartnerError (the partner's answer).
        """
        self._refuse_taken(name)
        chosen = _unusual(self._plugins.connector(connector), match)
        return self.keep(name, await self.tried(connector, values), match=chosen)

    async def edit(self, name: str, values: Mapping[str, Any]) -> Connection:
        """Change some settings of a connection, after checking that the account can be used with them.

        In another account, or another of the account's lists, the connection's audiences are made anew by their next
        runs; what the old ones hold stays there.
        """
        row = self._row(name)
        kind = self._plugins.connector(row.connector)
        settings = validated(kind, {**self._values(row), **values})
        return self.put(name, Tried(kind, settings, await self._account(kind, settings)))

    def copied(self, name: str, connector: str) -> dict[str, Any]:
        """What another connection to the same account would have alike, secrets included; shown to nobody.

        Not what the account offers to choose from, nor what belongs to one connection alone. Raises NotFound, and
        UsageError for a connection to another partner.
        """
        row = self._row(name)
        if row.connector != connector:
            raise UsageError(f"The connection {name!r} is to {row.connector}, not to {connector}.")
        return {
            field: value
            for field, value in self._values(row).items()
            if field in alike(self._plugins.connector(connector))
        }

    def amend(self, name: str, values: Mapping[str, Any]) -> Connection:
        """Change settings by what the partner itself told, without asking it again. Raises NotFound, UsageError."""
        row = self._row(name)
        settings = validated(self._plugins.connector(row.connector), {**self._values(row), **values})
        shown, secrets = split_secrets(settings)
        sealed = open_vault(self._workspace.settings).seal(secrets)
        self._update(row.id, settings=shown, secrets=sealed, updated_at=now())
        return self.get(name)

    async def tried(self, connector: str, values: Mapping[str, Any]) -> Tried:
        """Check that an account can be used with these settings, and keep nothing. Raises as of `add`."""
        kind = self._plugins.connector(connector)
        settings = validated(kind, await self._completed(kind, values))
        return Tried(kind, settings, await self._account(kind, settings))

    def keep(self, name: str, tried: Tried, *, match: Sequence[str] = ()) -> Connection:
        """Keep a new connection with settings that were tried. Raises AlreadyExists; UsageError for `match`."""
        return self._insert(tried.kind, name, tried.settings, tried.account, _unusual(tried.kind, match))

    def put(self, name: str, tried: Tried) -> Connection:
        """Give a connection settings that were tried; see `edit`. Raises NotFound."""
        row, account = self._row(name), tried.account
        shown, secrets = split_secrets(tried.settings)
        sealed = open_vault(self._workspace.settings).seal(secrets)
        moved = account.id != row.account_id or _chosen(tried.kind, shown) != _chosen(tried.kind, row.settings)
        self._update(row.id, settings=shown, secrets=sealed, updated_at=now(), **_connected(account))
        if moved:
            self._leave_audiences(row.id)
        return self.get(name)

    def rematch(self, name: str, match: str | Sequence[str]) -> Connection:
        """Match people by these keys from now on, in that order (`hub.connectors.matching.match_of`); none: as usual.

        The next runs move whoever has another key by then. Raises NotFound, UsageError (the partner has no such key).
        """
        row = self._row(name)
        chosen = _unusual(self._plugins.connector(row.connector), match)
        self._update(row.id, match_keys=chosen, updated_at=now())
        return self.get(name)

    def match(self, name: str) -> tuple[MatchOn, ...]:
        """The keys by which people are matched, in order of preference. Raises NotFound or PluginError."""
        row = self._row(name)
        return match_of(self._plugins.connector(row.connector), row.match_keys)

    def values(self, name: str) -> dict[str, Any]:
        """The settings of a connection with its secrets, to compare them; shown to nobody. Raises NotFound."""
        return self._values(self._row(name))

    async def check(self, name: str) -> Connection:
        """Ask the partner whether the connection works, and keep its answer. Changes nothing there.

        Returns the connection with its new state; a partner's refusal is a state, not an error.
        """
        row = self._row(name)
        kind = self._plugins.connector(row.connector)
        try:
            account = await self._account(kind, validated(kind, self._values(row)))
        except PartnerError as error:
            self.note(row.id, error)
        else:
            self._update(row.id, **_connected(account))
        return self.get(name)

    def note(self, connection_id: int, error: PartnerError) -> None:
        """Keep what a partner's error means for the connection."""
        said = f"{error.message} {error.hint}".strip()
        self._update(connection_id, state=state_after(error), message=said, checked_at=now())

    def list(self) -> list[Connection]:
        """Every connection, by name."""
        query = (
            select(connections)
            .where(connections.c.project_id == self._workspace.project.id, connections.c.removed_at.is_(None))
            .order_by(connections.c.name)
        )
        with self._store.reading() as connection:
            return [self._shown(row) for row in connection.execute(query)]

    def get(self, name: str) -> Connection:
        """The connection called `name`. Raises NotFound with the nearest name."""
        return self._shown(self._row(name))

    def uses(self, name: str) -> Uses:
        """The syncs that a connection is used by, and those that would be removed with it. Raises NotFound."""
        with self._store.reading() as connection:
            return uses(connection, syncs.c.connection_id == self._row(name).id)

    def remove(self, name: str) -> tuple[str, ...]:
        """Forget a connection and its secrets, with its syncs that are over; returns their names.

        The ledger keeps their runs. What the partner holds stays there; a connection to the same place that is added
        later goes on with it. Raises NotFound, and UsageError while an active sync uses it.
        """
        row, at = self._row(name), now()
        with self._store.writing() as connection:
            gone = retire_syncs(connection, syncs.c.connection_id == row.id, what=f"The connection {name!r}", at=at)
            for table in (pulls, doors):
                connection.execute(table.delete().where(table.c.connection_id == row.id))
            connection.execute(
                connections.update()
                .where(connections.c.id == row.id)
                .values(removed_at=at, updated_at=at, secrets=b"", message="")
            )
        return gone

    def place(self, row: Row[Any]) -> Place:
        """Where the audiences of a connection (a row of the table) are. Two connections may lead to one place."""
        kind = self._plugins.connectors.get(row.connector)
        account = row.account_id or f"of connection {row.id}"  # a partner that names no account may have many
        return Place(row.connector, account, _chosen(kind, row.settings) if kind else ())

    def audience_key(self, connector: str, name: str) -> str:
        """What tells an audience called `name` from the others at the partner: see `Connector.audience_key`."""
        kind = self._plugins.connectors.get(connector)
        return kind.audience_key(name) if kind else name

    def kind(self, name: str) -> type[Connector]:
        """The connector class of a connection. Raises NotFound or PluginError."""
        return self._plugins.connector(self._row(name).connector)

    @asynccontextmanager
    async def opened(self, name: str, *, read_attempts: int = 4) -> AsyncIterator[Connector]:
        """The connector of a connection, ready to call the partner; closed at the end."""
        row = self._row(name)
        kind = self._plugins.connector(row.connector)
        place = self.place(row)
        books = AccountBooks(self._store, f"{place.connector}:{place.account}", kind.limits.concurrency)
        async with (
            Pace(books, kind.limits) as pace,
            self._opened(kind, validated(kind, self._values(row)), read_attempts=read_attempts, pace=pace) as connector,
        ):
            connector.match_on = match_of(kind, row.match_keys)
            yield connector

    @asynccontextmanager
    async def _opened(
        self, kind: type[Connector], settings: ConnectorSettings, *, read_attempts: int = 4, pace: Pace | None = None
    ) -> AsyncIterator[Connector]:
        from hub.connectors.http import PartnerClient
        from hub.connectors.recording import secrets_of

        with containing(kind):
            address = settings.base_url or kind.base_url(settings)
        async with PartnerClient(
            address,
            guard=guard_of(self._workspace.settings),
            timeout=kind.limits.timeout,
            concurrency=kind.limits.concurrency,
            read_attempts=read_attempts,
            pace=pace,
            secrets=secrets_of(settings),
        ) as http:
            with containing(kind):
                made = kind(settings, http)
            yield made

    async def _account(self, kind: type[Connector], settings: ConnectorSettings) -> Account:
        # somebody waits for the answer: "cannot be reached" now is better than in ten seconds
        async with self._opened(kind, settings, read_attempts=1) as opened:
            return await contained(opened, opened.check())

    async def _completed(self, kind: type[Connector], values: Mapping[str, Any]) -> dict[str, Any]:
        completed = {name: value for name, value in values.items() if value != ""}
        for wanted in fields_of(kind):
            if wanted.kind == "options" and wanted.name not in completed:
                completed[wanted.name] = await self._only_option(kind, completed, wanted)
        return completed

    async def _only_option(self, kind: type[Connector], values: Mapping[str, Any], wanted: SettingField) -> str:
        offered = await self.options(kind.name, values, wanted.name)
        if len(offered) == 1:
            return offered[0].value
        listed = ", ".join(f"{option.value} ({option.label})" for option in offered) or "none"
        raise UsageError(
            f"{kind.label} needs the setting {wanted.name}; this account offers: {listed}.",
            hint=f"Choose one with --set {wanted.name}=VALUE.",
        )

    def _insert(
        self, kind: type[Connector], name: str, settings: ConnectorSettings, account: Account, match: Sequence[str]
    ) -> Connection:
        shown, secrets = split_secrets(settings)
        at = now()
        try:
            with self._store.writing() as connection:
                connection.execute(
                    connections.insert().values(
                        project_id=self._workspace.project.id,
                        name=name,
                        connector=kind.name,
                        settings=shown,
                        secrets=open_vault(self._workspace.settings).seal(secrets),
                        match_keys=list(match),
                        created_at=at,
                        updated_at=at,
                        **_connected(account),
                    )
                )
        except IntegrityError as error:
            raise AlreadyExists(f"There is a connection {name!r} already.") from error
        return self.get(name)

    def _leave_audiences(self, connection_id: int) -> None:
        live = audiences.c.connection_id == connection_id, audiences.c.gone_at.is_(None)
        with self._store.writing() as connection:
            connection.execute(audiences.update().where(*live).values(gone_at=now()))

    def _refuse_taken(self, name: str) -> None:
        if not name.strip():
            raise UsageError("A connection needs a name.")
        if any(known.name == name for known in self.list()):
            raise AlreadyExists(
                f"There is a connection {name!r} already.", hint="Choose another name, or change it with `edit`."
            )

    def _values(self, row: Row[Any]) -> dict[str, Any]:
        return {**row.settings, **open_vault(self._workspace.settings).open(row.secrets)}

    def _update(self, connection_id: int, **changes: Any) -> None:
        with self._store.writing() as connection:
            connection.execute(connections.update().where(connections.c.id == connection_id).values(**changes))

    def _row(self, name: str) -> Row[Any]:
        query = select(connections).where(
            connections.c.project_id == self._workspace.project.id, connections.c.removed_at.is_(None)
        )
        with self._store.reading() as connection:
            rows = {row.name: row for row in connection.execute(query)}
        if name not in rows:
            near = difflib.get_close_matches(name, rows, n=1)
            known = ", ".join(sorted(rows)) or "none yet; add one with `hub connection add`"
            raise NotFound(
                f"There is no connection {name!r}.", hint=f"Did you mean {near[0]}?" if near else f"There are: {known}."
            )
        return rows[name]

    def _shown(self, row: Row[Any]) -> Connection:
        kind = self._plugins.connectors.get(row.connector)
        try:
            match = match_of(kind, row.match_keys) if kind else ()
        except UsageError:  # a newer version of the plugin does not know the key any more; a run says so
            match = ()
        warning = identity_warning(kind, match, self._workspace.project.identity) if kind else ""
        return Connection(
            id=row.id,
            name=row.name,
            connector=row.connector,
            label=kind.label if kind else row.connector,
            state=row.state if kind else WRONG,
            message=row.message if kind else f"The plugin of the connector {row.connector} is not installed or broken.",
            account=row.account_label,
            checked_at=row.checked_at,
            created_at=row.created_at,
            settings=row.settings,
            match=tuple(match_texts(match) or row.match_keys),
            warnings=(warning,) if warning else (),
        )


def _unusual(kind: type[Connector], match: str | Sequence[str]) -> list[str]:
    """The keys that were chosen, to be kept; none when they are the partner's own, in its order."""
    chosen = match_of(kind, match)
    return [] if chosen == match_of(kind, ()) else match_texts(chosen)


def _chosen(kind: type[Connector], settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Which of the account's own things the settings name: its list, its workspace."""
    return tuple(
        (field.name, str(settings.get(field.name, ""))) for field in fields_of(kind) if field.kind == "options"
    )


def _connected(account: Account) -> dict[str, Any]:
    return {
        "state": CONNECTED,
        "message": account.warning,
        "account_id": account.id,
        "account_label": account.label,
        "checked_at": now(),
    }
