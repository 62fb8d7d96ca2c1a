"""`hub demo`: the main job on simulated data, as a story or in the terminal UI."""

from __future__ import annotations

import asyncio
from importlib.metadata import entry_points
from pathlib import Path

from hub.app import Hub
from hub.cli.context import chosen, interruptible, print_json
from hub.demo.home import DemoHome, claimed, own_settings
from hub.demo.story import CONNECTION, CONNECTOR, tell_story
from hub.demo.telling import Teller
from hub.errors import HubError

DEFAULT_HOME = Path(".demo")


def play(home: Path | None, *, people: int, tui: bool, as_json: bool) -> None:
    """Tell the story in `home` (None: --home before the command, else `.demo` here), or open the terminal UI on it.

    With `tui` a home in which a demo ran to its end is used as it is. With `as_json` the story goes to standard error.
    """
    with claimed(home or chosen.home or DEFAULT_HOME) as found, own_settings(found):
        if not (tui and found.finished):
            figures = _told(found, people, as_json=as_json)
            if not tui:
                print_json(figures)
        if tui:
            _open_tui(found)


def _told(home: DemoHome, people: int, *, as_json: bool) -> dict[str, object]:
    home.empty()
    with interruptible() as stop:
        return tell_story(home, Teller(to_stderr=as_json), stop, people=people)


def _open_tui(home: DemoHome) -> None:
    from hub.demo.partner import partner

    found = [*entry_points(group="hub.tui")]
    if not found:
        raise HubError("No terminal UI is installed.", hint="Install cohort-hub again.")
    with partner(CONNECTOR, home.path) as running:
        # it may listen elsewhere than the last time
        asyncio.run(Hub.open(home.path).connections.edit(CONNECTION, running.settings))
        found[0].load()(home.path)
