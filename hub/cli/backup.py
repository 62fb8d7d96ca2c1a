"""`hub backup` and `hub restore`: a hub in one file, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hub.backup.making import back_up, look_at
from hub.backup.restoring import look_into, present, restore
from hub.cli.context import chosen, confirm, console, interruptible, print_json, say
from hub.clock import ago, counted
from hub.errors import HubError
from hub.settings import Settings, load

if TYPE_CHECKING:
    from hub.backup.archive import Manifest, Progress

_THINGS = {
    "projects": "project",
    "profiles": "profile",
    "cohorts": "cohort",
    "connections": "connection",
    "syncs": "sync",
}


def save(file: Path, *, replace: bool, as_json: bool) -> None:
    """Make a backup and tell of it."""
    settings = load(chosen.home)
    with interruptible() as stop, _progress(f"backup to {file.name}") as progress:
        made = back_up(settings, file, replace=replace, progress=progress, stop=stop)
    if as_json:
        print_json(made.figures())
        return
    typer.echo(f"{made.file}: {_holds(made.manifest)}; {_size(made.size)}, in {made.seconds:.1f} s.")
    where = "HUB_KEY" if settings.key is not None else settings.key_file
    say(f"The key of the secrets is not in it: keep {where} somewhere else.")


def put_back(file: Path, *, replace: bool, certain: bool, yes: bool, as_json: bool) -> None:
    """Restore a backup, after a yes if something is replaced, and tell of it."""
    settings = load(chosen.home)
    held = look_into(file)
    say(f"{file}, made {ago(held.made_at)} ({held.made_at:%Y-%m-%d %H:%M} UTC): {_holds(held)}.")
    if replace and (there := present(settings)) and not yes:
        say(f"In its place, {settings.home}, is now: {_held_now(settings) or ', '.join(there)}.")
        confirm("Replace that? It is gone then.", yes=yes)
    with interruptible() as stop, _progress(f"restoring {file.name}") as progress:
        restored = restore(settings, file, replace=replace, certain=certain, progress=progress, stop=stop)
    for note in restored.notes:
        say(f"Note: {note}")
    if as_json:
        print_json(restored.figures())
        return
    typer.echo(f"Restored in {settings.home}, in {restored.seconds:.1f} s. Next: hub status, hub doctor")


def _held_now(settings: Settings) -> str:
    """What the hub there holds; empty when it cannot be read."""
    try:
        return _holds(look_at(settings))
    except HubError:
        return ""


def _holds(manifest: Manifest) -> str:
    things = [counted(manifest.events, "event")]
    things += [counted(manifest.holds[name], thing) for name, thing in _THINGS.items()]
    waiting = manifest.holds["waiting"]
    more = f", and {counted(waiting, 'request')} that had just come in" if waiting else ""
    return ", ".join(things) + more


def _size(size: int) -> str:
    for unit, bytes_in in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= bytes_in:
            return f"{size / bytes_in:.1f} {unit}"
    return f"{size} bytes"


@contextmanager
def _progress(what: str) -> Iterator[Progress | None]:
    """A bar on standard error when that is a terminal; nothing elsewhere."""
    screen = console()
    if not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
