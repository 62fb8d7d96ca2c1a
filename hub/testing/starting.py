"""Beginning a plugin: a folder with a package that works, made from the starter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hub.errors import AlreadyExists, HubError, UsageError
from hub.settings import version

STARTER = Path(__file__).with_name("starter")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40
TAKEN = {"testing", "plugin", "plugins", "cohort", "conformance"}
"""Names that would be confused with the hub's own."""


@dataclass(frozen=True)
class Started:
    """A plugin that was begun: its name, its folder, and the files in it."""

    name: str
    folder: Path
    files: tuple[str, ...]


def start_plugin(name: str, where: Path, *, installed: Iterable[str] = ()) -> Started:
    """Make the folder `hub-NAME` in `where`, with a plugin called `name` whose tests pass.

    Raises UsageError for a name that cannot be one, AlreadyExists when the folder is there or a plugin (of those
    `installed`) has the name, HubError when the folder cannot be written. Nothing that was there is changed.
    """
    _refuse_unusable(name)
    if name in installed:
        raise AlreadyExists(f"A plugin {name!r} is installed already.", hint="Choose another name.")
    folder = where / f"hub-{name}"
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise AlreadyExists(
            f"{folder} is there already; nothing was changed.", hint="Choose another name, or another folder."
        ) from error
    except OSError as error:
        raise HubError(f"{folder} cannot be made: {error}.", hint="Choose a folder that you may write to.") from error
    try:
        return Started(name, folder, tuple(_write(name, folder)))
    except OSError as error:
        raise HubError(f"{folder} cannot be written: {error}.", hint="Remove what is there of it.") from error


def _refuse_unusable(name: str) -> None:
    if name.startswith("hub-") or name.startswith("hub_"):
        raise UsageError(
            f"The name {name!r} has hub in front already.", hint=f"Say {name[4:]!r}: hub- is put before it."
        )
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise UsageError(
            f"{name!r} cannot be the name of a plugin.",
            hint=f"It is at most {LONGEST} lower case letters and digits, with single dashes between: acme, acme-mail.",
        )
    if name in TAKEN:
        raise UsageError(f"The name {name!r} is the hub's own.", hint="Choose the partner's name.")


def _write(name: str, folder: Path) -> Iterable[str]:
    for source in sorted(STARTER.rglob("*")):
        is_package = source.suffix == ".py" and source.parent != STARTER
        if source.is_dir() or not (is_package or source.suffix == ".in"):
            continue
        path = _renamed(str(source.relative_to(STARTER)).removesuffix(".in").replace("gitignore", ".gitignore"), name)
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(_renamed(source.read_text(), name))
        yield path


def _renamed(text: str, name: str) -> str:
    """The starter's text with another name in each of the forms that it is written in."""
    module = name.replace("-", "_")
    words = "".join(part.capitalize() for part in name.split("-"))
    text = text.replace("{version}", version())
    text = text.replace("hub_acme", f"hub_{module}").replace("test_acme", f"test_{module}")
    return text.replace("ACME", module.upper()).replace("Acme", words).replace("acme", name)
