"""Applying a file: partners and warehouses are asked first, then things are written, and removed last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from sqlalchemy.exc import IntegrityError

from hub.cohorts.editing import insert, rewrite, row_to_change
from hub.cohorts.lists.sources import SQL, Sql, stored_source
from hub.cohorts.references import named_cohorts
from hub.cohorts.rows import taken
from hub.cohorts.versions import Signature
from hub.declared.alerts import guard_alerts, write_alert
from hub.declared.connections import connection_values, password_of_warehouse
from hub.declared.planning import plan_of
from hub.errors import Held, HubError, UsageError
from hub.store.holding import holding
from hub.sync.schedule import After

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.connectors.connections import Tried
    from hub.declared.file import Declared, SyncSpec
    from hub.declared.plan import Action, Entry, Plan


def apply_file(hub: Hub, declared: Declared, *, prune: bool = False, digest: str = "", message: str = "") -> Plan:
    """Make the hub what the file says, and return what was done. Applying it again changes nothing.

    Blocks, and must not be called on an event loop. With `digest`, only the very plan that has it is carried out.
    `message` stands in the history of cohorts. Raises Held (another digest), UsageError (a secret is missing, an
    address may not be called), as `plan_of`, PartnerError, WarehouseError: then nothing was changed. What fails later,
    such as a full disk, leaves what was done before, and its error says so.
    """
    project = hub.workspace.project
    with holding(hub.workspace.store, f"apply {project.id}", what=f"A file for the project {project.name}"):
        plan = plan_of(hub, declared, prune=prune)
        if digest and digest != plan.digest:
            raise Held(
                f"{declared.source} or the hub has changed since the plan {digest[:12]} was made: now it is "
                f"{plan.digest[:12]}.",
                hint="Nothing was changed. Look at the plan again; one made with --prune is applied with it, too.",
            )
        if plan.needs:
            raise UsageError(
                f"{declared.source}: secrets are missing: {', '.join(plan.needs)}.",
                hint="Nothing was changed. Set these variables in the environment.",
            )
        guard_alerts(hub, declared, plan)
        _Applying(hub, declared, plan, message or f"hub apply {declared.source}").all()
    return plan


class _Applying:
    def __init__(self, hub: Hub, declared: Declared, plan: Plan, message: str) -> None:
        self._hub = hub
        self._spec = declared.spec
        self._plan = plan
        self._by = Signature(hub.settings.who, message)
        self._done: list[Entry] = []

    def all(self) -> None:
        """Do everything, in an order in which each thing finds what it rests on."""
        with self._told():
            tried = asyncio.run(self._tried())
            self._warehouses()
            self._ask_warehouses()
            self._connections(tried)
            self._cohorts()
            self._syncs()
            self._alerts()
            self._remove()

    async def _tried(self) -> dict[str, Tried]:
        """Ask the partners whether the connections that are made or changed work."""
        found = {}
        for entry in self._plan.of("connections", "make", "change"):
            spec = self._spec.connections[entry.name]
            kind = self._hub.plugins.connector(spec.connector)
            values = connection_values(self._hub, kind, entry.name, spec)
            try:
                found[entry.name] = await self._hub.connections.tried(spec.connector, values)
            except HubError as error:
                error.message = f"The connection {entry.name}: {error.message}"
                error.args = (error.message,)
                raise
        return found

    def _warehouses(self) -> None:
        for entry in self._each("warehouses", "make", "change"):
            parts = urlsplit(self._spec.warehouses[entry.name].url)
            if password := password_of_warehouse(entry.name):
                user, _, host = parts.netloc.rpartition("@")
                parts = parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}")
            keep = self._hub.warehouses.add if entry.action == "make" else self._hub.warehouses.edit
            keep(entry.name, urlunsplit(parts))

    def _ask_warehouses(self) -> None:
        """Ask whether the queries that are new can be asked at all."""
        from hub.cohorts.lists.querying import tried

        for entry in self._plan.of("cohorts", "make", "change"):
            kind, document = self._plan.documents[entry.name]
            if kind == SQL:
                source = stored_source(kind, document, name=entry.name)
                assert isinstance(source, Sql)
                tried(self._hub.workspace, source)

    def _connections(self, tried: dict[str, Tried]) -> None:
        for entry in self._each("connections", "make", "change"):
            match = self._spec.connections[entry.name].match
            if entry.action == "make":
                self._hub.connections.keep(entry.name, tried[entry.name], match=match or ())
                continue
            self._hub.connections.put(entry.name, tried[entry.name])
            if match is not None:
                self._hub.connections.rematch(entry.name, match)

    def _cohorts(self) -> None:
        """All cohorts in one transaction."""
        project_id, wanted = self._hub.workspace.project.id, self._plan.of("cohorts", "make", "change")
        with self._hub.workspace.store.writing() as connection:
            for entry in wanted:
                kind, document = self._plan.documents[entry.name]
                if entry.action == "change":
                    row = row_to_change(connection, project_id, entry.name, self._plan.versions[entry.name])
                    rewrite(connection, row, document, self._by)
                    continue
                try:
                    insert(connection, project_id, entry.name, document, self._by, kind=kind)
                except IntegrityError as error:
                    raise taken(entry.name) from error
        self._done += wanted

    def _syncs(self) -> None:
        for entry in self._leaders_first(self._plan.of("syncs", "make", "change")):
            spec = self._spec.syncs[entry.name]
            if entry.action == "make":
                self._hub.syncs.start(
                    spec.cohort,
                    spec.connection,
                    schedule=spec.schedule,
                    audience=spec.audience_name,
                    name=entry.name,
                    mapping=spec.mapping,
                    leavers=spec.leavers,
                    stopped=bool(spec.stopped),
                )
                self._watch(entry.name, spec, {each.name for each in entry.fields})
                if spec.paused:
                    self._hub.syncs.pause(entry.name)
                self._done.append(entry)
                continue
            fields = {each.name: each.after for each in entry.fields}
            if fields.keys() & {"every", "mapping"}:
                self._hub.syncs.change(entry.name, schedule=spec.schedule, mapping=spec.mapping)
            if "leavers" in fields and spec.leavers:
                self._hub.syncs.leavers(entry.name, spec.leavers)
            self._watch(entry.name, spec, {*fields})
            if "stopped" in fields:
                (self._hub.syncs.stop if spec.stopped else self._hub.syncs.resume)(entry.name)
            if "paused" in fields:
                (self._hub.syncs.pause if spec.paused else self._hub.syncs.resume)(entry.name)
            self._done.append(entry)

    def _watch(self, name: str, spec: SyncSpec, fields: set[str]) -> None:
        """How old a change may become, and what guards let pass."""
        if "within" in fields:
            within = spec.within if isinstance(spec.within, timedelta) else None
            self._hub.syncs.freshness(name, within=within, usual=within is None)
        if spec.guards is not None and any(each.startswith("guards.") for each in fields):
            self._hub.syncs.guard(name, anew=True, **spec.guards.values)

    def _alerts(self) -> None:
        for entry in self._each("alerts", "make", "change"):
            write_alert(self._hub, entry, self._spec.alerts[entry.name])

    def _remove(self) -> None:
        for entry in self._each("alerts", "remove"):
            self._hub.alerts.channels.remove(entry.name)
        for entry in reversed(self._leaders_first(self._plan.of("syncs", "remove"))):
            asyncio.run(self._hub.syncs.remove(entry.name))
            self._done.append(entry)
        for entry in self._users_first(self._plan.of("cohorts", "remove")):
            self._hub.cohorts.remove(entry.name, message=self._by.reason)
            self._done.append(entry)
        for entry in self._each("connections", "remove"):
            self._hub.connections.remove(entry.name)
        for entry in self._each("warehouses", "remove"):
            self._hub.warehouses.remove(entry.name)

    def _users_first(self, entries: tuple[Entry, ...]) -> list[Entry]:
        """Cohorts so that each comes before those that it names."""
        by_name = {entry.name: entry for entry in entries}
        names = {name: named_cohorts(self._hub.cohorts.get(name).definition) for name in by_name}
        order = [*TopologicalSorter(names).static_order()]
        return [by_name[name] for name in reversed(order) if name in by_name]

    def _leaders_first(self, entries: tuple[Entry, ...]) -> list[Entry]:
        """Syncs so that each comes after the one that it follows."""
        by_name = {entry.name: entry for entry in entries}
        schedules = {each.name: each.schedule for each in self._hub.syncs.list()}
        schedules |= {name: spec.schedule for name, spec in self._spec.syncs.items()}
        leaders = {name: [found.sync] if isinstance(found := schedules[name], After) else [] for name in by_name}
        return [by_name[name] for name in TopologicalSorter(leaders).static_order() if name in by_name]

    def _each(self, section: str, *actions: Action) -> Iterator[Entry]:
        """The entries to do, each noted as done when the next one is asked for."""
        for entry in self._plan.of(section, *actions):
            yield entry
            self._done.append(entry)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in an error what had been done before it."""
        try:
            yield
        except HubError as error:
            if not self._done:
                raise
            done = ", ".join(f"{entry.thing} {entry.name}" for entry in self._done[:10])
            more = f" and {len(self._done) - 10} more" if len(self._done) > 10 else ""
            error.hint = f"{error.hint} Done before: {done}{more}. Applying the file again goes on.".strip()
            raise
