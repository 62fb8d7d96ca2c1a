"""Projects, and making a hub in an empty folder."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import select

from hub.clock import now
from hub.errors import NotFound, UsageError
from hub.lake.lake import Lake
from hub.settings import Settings
from hub.store.migrate import migrate
from hub.store.store import Store
from hub.store.tables import projects
from hub.workspace import Project

IDENTITIES = ("simplified", "original")
DEFAULT_PROJECT = "default"


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
    row = found[0]
    return Project(id=row.id, name=row.name, timezone=row.timezone, identity=row.identity)


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
