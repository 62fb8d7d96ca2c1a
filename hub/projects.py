"""Projects, and making a hub in an empty folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from hub.clock import counted, now
from hub.errors import AlreadyExists, NotFound, UsageError
from hub.lake.lake import Lake
from hub.lake.tables import EVENTS
from hub.private import make_private
from hub.settings import Settings
from hub.store.migrate import migrate
from hub.store.store import Store
from hub.store.tables import identity_links, profiles, projects
from hub.workspace import Project, Workspace

IDENTITIES = ("simplified", "original")
DEFAULT_PROJECT = "default"
_LONGEST_NAME = 255


def initialise(settings: Settings, *, timezone: str = "UTC", identity: str = "simplified") -> bool:
    """Make a hub in `settings.home`, or migrate the one that is there. Returns whether it is new.

    `timezone` (an IANA name) and `identity` (simplified, original) are those of the first project; they are not
    changed when it exists. Raises UsageError for a zone or an identity that there is not, or a home that cannot be
    made.
    """
    _check(timezone, identity)
    _make_home(settings.home)
    store = Store(settings.control_plane_url)
    migrate(store)
    Lake(settings.lake_root).create()
    _make_key(settings)
    make_private(settings.home)
    with store.writing() as connection:
        if connection.execute(select(projects.c.id)).first():
            return False
        connection.execute(
            projects.insert().values(name=DEFAULT_PROJECT, timezone=timezone, identity=identity, created_at=now())
        )
    return True


def find_project(store: Store, name: str = "") -> Project:
    """The project of that name, or the first one when `name` is empty.

    Raises NotFound, naming those that there are.
    """
    with store.reading() as connection:
        rows = connection.execute(select(projects).order_by(projects.c.id)).all()
    found = [row for row in rows if row.name == name] if name else rows
    if not found:
        known = ", ".join(row.name for row in rows) or "none yet"
        raise NotFound(f"There is no project {name!r}.", hint=f"There are: {known}.")
    return _project(found[0])


def every_project(store: Store) -> list[Project]:
    """All projects of a hub, the oldest first."""
    with store.reading() as connection:
        return [_project(row) for row in connection.execute(select(projects).order_by(projects.c.id))]


class Projects:
    """The projects of a hub: each has its own events, people, cohorts, connections, syncs and tokens."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store = workspace.store

    def add(self, name: str, *, timezone: str = "UTC", identity: str = "simplified") -> Project:
        """Make a project. Raises UsageError (a name, a zone or an identity that there is not), AlreadyExists."""
        name = _sound_name(name)
        _check(timezone, identity)
        row = {"name": name, "timezone": timezone, "identity": identity, "created_at": now()}
        try:
            with self._store.writing() as connection:
                connection.execute(projects.insert().values(row))
        except IntegrityError as error:
            raise _taken(name) from error
        return self.get(name)

    def list(self) -> list[Project]:
        """Every project, the oldest first: the first is the one that commands work on when none is named."""
        return every_project(self._store)

    def get(self, name: str) -> Project:
        """The project called `name`. Raises NotFound."""
        if not name:
            raise NotFound("A project without a name cannot be.", hint="`hub project list` names those that there are.")
        return find_project(self._store, name)

    def edit(self, name: str, *, new_name: str = "", timezone: str = "", identity: str = "") -> Project:
        """Change what is given of a project.

        The identity system is fixed once data is in: ids were merged by its rules. Raises UsageError, naming what is
        in, NotFound, AlreadyExists; then nothing is changed.
        """
        before = self.get(name)
        wanted = {"name": new_name and _sound_name(new_name), "timezone": timezone, "identity": identity}
        changes = {column: value for column, value in wanted.items() if value and value != getattr(before, column)}
        _check(timezone or before.timezone, identity or before.identity)
        if "identity" in changes:
            self._check_empty(before)
        if changes:
            try:
                with self._store.writing() as connection:
                    connection.execute(projects.update().where(projects.c.id == before.id).values(changes))
            except IntegrityError as error:
                raise _taken(new_name) from error
        return self.get(changes.get("name", name))

    def _check_empty(self, project: Project) -> None:
        holds = [counted(number, thing) for thing, number in self._data(project).items() if number]
        if holds:
            raise UsageError(
                f"The identity system of the project {project.name} stays {project.identity}: it has "
                f"{' and '.join(holds)}.",
                hint="It is fixed once data is in. Make another project with `hub project add NAME --identity ...`.",
            )

    def _data(self, project: Project) -> dict[str, int]:
        workspace = replace(self._workspace, project=project)
        with workspace.reading_here() as reader:
            events = reader.value(reader.table(EVENTS, [("project_id", "=", str(project.id))]).count())
        with self._store.reading() as connection:
            rows = [
                connection.execute(
                    select(func.count()).select_from(table).where(table.c.project_id == project.id)
                ).scalar_one()
                for table in (profiles, identity_links)
            ]
        return {"event": events, "profile": rows[0], "identity link": rows[1]}


def _project(row: Any) -> Project:
    return Project(id=row.id, name=row.name, timezone=row.timezone, identity=row.identity)


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"There is a project {name} already.", hint="Choose another name.")


def _sound_name(name: str) -> str:
    if not name or name != name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME or name.isdecimal():
        raise UsageError(
            f"{name!r} is no name for a project.",
            hint=f"It is one line of at most {_LONGEST_NAME} characters, without blanks around it, and no bare number.",
        )
    return name


def _check(timezone: str, identity: str) -> None:
    if identity not in IDENTITIES:
        raise UsageError(f"There is no identity system {identity!r}.", hint="Choose simplified or original.")
    try:
        ZoneInfo(timezone)
    except (ValueError, OSError, KeyError) as error:
        raise UsageError(f"There is no time zone {timezone!r}.", hint=_nearest_zone(timezone)) from error


def _make_home(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(
            f"The home {home} cannot be made: {error.strerror}.", hint="Name another with --home or HUB_HOME."
        ) from error


def _nearest_zone(timezone: str) -> str:
    import difflib

    near = difflib.get_close_matches(timezone, available_timezones(), n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else "Use an IANA name such as Europe/Oslo."


def _make_key(settings: Settings) -> None:
    from hub.store.secrets import make_key_file

    if settings.key is None:
        make_key_file(settings.key_file)
