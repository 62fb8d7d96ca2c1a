"""Hub: the one object that the command line, the terminal UI and the server hold.

Everything that a person can do goes through here, and everything below it knows nothing of screens.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import NotFound
from hub.settings import Settings, load
from hub.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from threading import Event

    from hub.alerts.service import Alerts
    from hub.cohorts.explain.service import Questions
    from hub.cohorts.lists.service import Lists
    from hub.cohorts.service import Cohorts
    from hub.cohorts.warehouses.service import Warehouses
    from hub.connectors.connections import Connections
    from hub.connectors.plugins import Plugins
    from hub.declared.file import Declared
    from hub.declared.plan import Plan
    from hub.events.service import Events
    from hub.inbound.door import Door
    from hub.inbound.service import Inbound
    from hub.intake.rejections import Rejection
    from hub.lake.compaction import Compacted
    from hub.lake.compaction import Progress as Compacting
    from hub.people.event_export import Wanted
    from hub.people.exemptions import Exemptions
    from hub.people.mtu import Mtu
    from hub.people.person import Person
    from hub.people.profiles_service import Profiles
    from hub.projects import Projects
    from hub.status import LakeStatus, Status
    from hub.sync.service import Syncs
    from hub.sync.trial import Trials
    from hub.sync.why import Why
    from hub.tokens import Tokens


class Hub:
    """One project of one hub. Parts are made when first used, so that opening is cheap.

    Threads may share it. Methods that talk to partners are async; all others block shortly, and a UI calls
    them on a worker thread.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @classmethod
    def open(cls, home: Path | None = None, project: str = "") -> Hub:
        """Open the hub in `home` (or in HUB_HOME) on the project of that name, or on its first one.

        Raises NotInitialised when there is none, StoreError when it cannot be used, NotFound (project).
        """
        from hub.intake.draining import Drain
        from hub.lake.lake import Lake
        from hub.projects import find_project
        from hub.store.store import Store

        settings = load(home)
        store = Store(settings.control_plane_url)
        store.check_schema()
        found = find_project(store, project or settings.project)
        workspace = Workspace(settings, store, Lake(settings.lake_root), found)
        return cls(replace(workspace, drain=Drain(workspace)))

    @property
    def settings(self) -> Settings:
        """The settings of this hub."""
        return self.workspace.settings

    @cached_property
    def projects(self) -> Projects:
        """All projects of this hub."""
        from hub.projects import Projects

        return Projects(self.workspace)

    @cached_property
    def tokens(self) -> Tokens:
        """Who may send data to this project."""
        from hub.tokens import Tokens

        return Tokens(self.workspace)

    @cached_property
    def plugins(self) -> Plugins:
        """The installed plugins."""
        from hub.connectors.plugins import load_plugins

        return load_plugins()

    @cached_property
    def events(self) -> Events:
        """Events in."""
        from hub.events.service import Events
        from hub.people.identity_learning import Learning

        return Events(self.workspace, people=lambda: Learning(self.workspace))

    def export_events(self, wanted: Wanted | None = None) -> Iterator[bytes]:
        """The events of this project as JSON lines, the earliest first, some thousand at a time. See
        `hub.people.event_export`."""
        from hub.people.event_export import export_events

        return export_events(self.workspace, wanted)

    def rejections(self) -> list[Rejection]:
        """What the server refused for this project, by source and reason, with samples."""
        from hub.intake.rejections import rejected

        if self.workspace.drain:
            self.workspace.drain()
        return rejected(self.workspace.store, self.workspace.project.id)

    @cached_property
    def profiles(self) -> Profiles:
        """Profiles: in, as they are, and how they came to be so."""
        from hub.people.profiles_service import Profiles

        return Profiles(self.workspace)

    def person(self, asked: str, *, by_email: bool = False, events: int = 10) -> Person:
        """All that is known of somebody, by any of their ids or by their `$email`, with their last `events` events.

        Raises NotFound when nobody is known by it, InputError when several people share the address.
        """
        from hub.people.person import find_person

        return find_person(self.workspace, asked, by_email=by_email, events=events)

    def why(
        self,
        asked: str,
        *,
        sync: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Why:
        """What became of somebody in every sync, or in one: what was sent, what came back, and why not.

        Found by any id, else by the address of a profile, as `person` does and with its errors; NotFound for a sync
        that is not there.
        """
        from hub.sync.why import Moment, why

        if sync:
            self.syncs.find(sync)
        try:
            cluster = self.person(asked, events=0).cluster
        except NotFound:
            if "@" not in asked:
                raise
            cluster = self.person(asked, by_email=True, events=0).cluster
        found = why(
            self.workspace,
            self.connections,
            person=cluster.person,
            ids=[each.id for each in cluster.ids],
            sync=sync,
            since=since,
            until=until,
        )
        told = [] if sync else self.inbound.renamings(cluster.person, since=since, until=until)
        renamed = [Moment(each.at, "renamed", each.said) for each in told]
        return replace(found, timeline=sorted([*found.timeline, *renamed], key=lambda each: each.at))

    @cached_property
    def cohorts(self) -> Cohorts:
        """Cohorts and their members."""
        from hub.cohorts.service import Cohorts

        return Cohorts(self.workspace)

    @cached_property
    def questions(self) -> Questions:
        """Questions about cohorts: why somebody is in one, what two have in common, what a new one would hold."""
        from hub.cohorts.explain.service import Questions

        return Questions(self.workspace, self.cohorts, lambda: self.plugins)

    @cached_property
    def lists(self) -> Lists:
        """Cohorts that bring their own members."""
        from hub.cohorts.lists.service import Lists

        return Lists(self.workspace, self.cohorts)

    @cached_property
    def warehouses(self) -> Warehouses:
        """Databases that are asked for the members of cohorts."""
        from hub.cohorts.warehouses.service import Warehouses

        return Warehouses(self.workspace)

    @cached_property
    def connections(self) -> Connections:
        """Accounts at partners."""
        from hub.connectors.connections import Connections

        return Connections(self.workspace, self.plugins)

    @cached_property
    def syncs(self) -> Syncs:
        """Cohorts on their way to partners."""
        from hub.sync.service import Syncs

        return Syncs(self.workspace, self.cohorts, self.connections)

    @cached_property
    def trials(self) -> Trials:
        """What syncs would do that are not made yet."""
        from hub.sync.trial import Trials

        return Trials(self.workspace, self.cohorts, self.connections)

    @cached_property
    def inbound(self) -> Inbound:
        """Message events on their way in."""
        from hub.inbound.service import Inbound

        return Inbound(self.workspace, self.connections, self.plugins)

    def door(self) -> Door:
        """Where partners' requests come in, for all projects of this hub."""
        from hub.inbound.door import Door

        return Door(self.workspace, lambda: self.plugins)

    @cached_property
    def alerts(self) -> Alerts:
        """What is wrong, and who is told."""
        from hub.alerts.service import Alerts

        return Alerts(self.workspace, self.plugins)

    def plan_file(self, declared: Declared, *, prune: bool = False) -> Plan:
        """What applying a file would do. See `hub.declared.planning`."""
        from hub.declared.planning import plan_of

        return plan_of(self, declared, prune=prune)

    def apply_file(self, declared: Declared, *, prune: bool = False, digest: str = "", message: str = "") -> Plan:
        """Make this project what a file says. See `hub.declared.applying`."""
        from hub.declared.applying import apply_file

        return apply_file(self, declared, prune=prune, digest=digest, message=message)

    def export(self) -> str:
        """This project as a file that `apply_file` reads: its connections without secrets, cohorts and syncs."""
        from hub.declared.exporting import export_text

        return export_text(self)

    def mtu(self, month: str = "", *, by_source: bool = False) -> Mtu:
        """Monthly tracked users of `month` (YYYY-MM in the project's zone; empty: the present month)."""
        from hub.people.mtu import mtu

        return mtu(self.workspace, month, self.plugins.message_events(), by_source=by_source)

    def mtu_by_month(self, months: int, until: str = "", *, by_source: bool = False) -> list[Mtu]:
        """Monthly tracked users of the last `months` months up to `until`, the oldest first."""
        from hub.people.mtu import mtu_by_month

        return mtu_by_month(self.workspace, months, until, self.plugins.message_events(), by_source=by_source)

    def exemptions(self) -> Exemptions:
        """The events that do not make anybody a monthly tracked user, and who says so."""
        from hub.people.mtu import workspace_exemptions

        return workspace_exemptions(self.workspace, self.plugins.message_events())

    def lake_status(self) -> LakeStatus:
        """What the lake holds, and what waits to be moved into it."""
        from hub.status import lake_status

        return lake_status(self.settings)

    def compact(
        self, *, project_id: int | None = None, progress: Compacting | None = None, stop: Event | None = None
    ) -> Iterator[Compacted]:
        """Compact the events of all projects, or of one, and tell of each month when it is done.

        `progress` is told of a month, how many of its rows are written, and how many there are. Ends early when `stop`
        is set. Raises Busy when another process maintains the lake.
        """
        from hub.maintenance import compact

        if self.workspace.drain:
            self.workspace.drain()
        found, settings = self.workspace, self.settings
        return compact(found.store, found.lake, settings, project_id=project_id, progress=progress, stop=stop)

    def maintain(self, stop: Event | None = None) -> list[str]:
        """Do what the lake needs now, unless another process does it, and remove what the ledger need not keep.

        Returns what was done, in words.
        """
        from hub.maintenance import maintain

        done = maintain(self.workspace.store, self.workspace.lake, self.settings, stop) + self.forget_attempts()
        forgotten = self.inbound.forget()
        return [*done, *([f"{forgotten:,} requests of partners are kept no longer."] if forgotten else [])]

    def forget_attempts(self) -> list[str]:
        """Remove from the ledger what it need not keep any longer (`ledger_days`). Returns what was done, in words."""
        from datetime import timedelta

        from hub.sync.attempts_reading import forget_attempts

        days = self.settings.ledger_days
        return forget_attempts(self.workspace, timedelta(days=days)) if days else []

    def status(self) -> Status:
        """What this hub holds, and what to do next."""
        from hub.status import status

        return status(self)
