"""What a hub holds, in the words of a file: what is exported, and what a file is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.cohorts.lists.sources import Received, Sql, Static
from hub.cohorts.text.lines import clause_lines
from hub.connectors.fields import split_secrets, validated
from hub.connectors.matching import match_of, match_texts
from hub.declared.alert_specs import alert_spec
from hub.declared.file import (
    CohortSpec,
    ConnectionSpec,
    HubFile,
    ListSpec,
    ProjectSpec,
    SyncSpec,
    WarehouseSpec,
    schedule_fields,
)
from hub.declared.guards import guards_spec
from hub.errors import HubError
from hub.sync.states import PAUSED, STOPPED, Leavers

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.cohorts.cohort import Cohort
    from hub.connectors.connection import Connection
    from hub.sync.models import Sync


def current(hub: Hub) -> HubFile:
    """Everything that a file can say of a hub as it is now. Raises DefinitionError when a newer hub wrote a cohort."""
    project = hub.workspace.project
    return HubFile.model_validate(
        {
            "version": 1,
            "project": ProjectSpec.model_validate({"timezone": project.timezone, "identity": project.identity}),
            "warehouses": {each.name: WarehouseSpec(url=each.url) for each in hub.warehouses.list()},
            "connections": {each.name: connection_spec(hub, each) for each in hub.connections.list()},
            "cohorts": {each.name: cohort_spec(each) for each in hub.cohorts.list()},
            "syncs": {each.name: sync_spec(each) for each in hub.syncs.list()},
            "alerts": {each.name: alert_spec(each) for each in hub.alerts.channels.list()},
        }
    )


def connection_spec(hub: Hub, connection: Connection) -> ConnectionSpec:
    """A connection without its secrets, and without settings that are the connector's default."""
    kind = hub.plugins.connectors.get(connection.connector)
    settings = dict(connection.settings)
    if kind is not None:
        for name, info in kind.Settings.model_fields.items():
            if name in settings and not info.is_required() and settings[name] == info.get_default():
                del settings[name]
    usual = tuple(match_texts(match_of(kind, ()))) if kind is not None else connection.match
    chosen = connection.match if connection.match != usual else None
    return ConnectionSpec(connector=connection.connector, settings=settings, match=chosen)


def stored_settings(hub: Hub, connection: Connection) -> dict[str, Any]:
    """All settings of a connection, without its secrets, as its connector reads them today."""
    try:
        kind = hub.plugins.connector(connection.connector)
        return split_secrets(validated(kind, hub.connections.values(connection.name)))[0]
    except HubError:  # its connector asks for more than it did
        return dict(connection.settings)


def cohort_spec(cohort: Cohort) -> CohortSpec:
    """A cohort: its definition as text, one clause a line, or where its members come from."""
    match cohort.source:
        case None:
            return CohortSpec(description=cohort.description, text="\n".join(clause_lines(cohort.definition)))
        case Sql() as source:
            return CohortSpec(description=cohort.description, sql=source)
        case Received(key=key):
            return CohortSpec(description=cohort.description, received=ListSpec(key=key))
        case Static(key=key):
            return CohortSpec(description=cohort.description, static=ListSpec(key=key))


def sync_spec(sync: Sync) -> SyncSpec:
    """A sync. That it is stopped is said; that it has run is not. Of its guards, what a person has set."""
    return SyncSpec(
        cohort=sync.cohort,
        connection=sync.connection,
        **schedule_fields(sync.schedule),
        audience=None if sync.audience == f"hub: {sync.cohort}" else sync.audience,
        mapping=dict(sync.mapping),
        leavers=None if sync.leavers is Leavers.REMOVE else sync.leavers,
        within=sync.freshness.within if sync.freshness else None,
        guards=guards_spec(sync.guards),
        stopped=True if sync.state == STOPPED else None,
        paused=True if sync.state == PAUSED else None,
    )
