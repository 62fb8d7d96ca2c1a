"""The screens under test: a clock that stands still where a test wants it, and waiting for what is to come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from textual import events
from textual.pilot import Pilot

from hub import clock
from tests.tui.fakes import NOW

LONGEST = 20.0
"""Seconds that a test waits for a screen to become what it should."""


@pytest.fixture
def at_rest(monkeypatch):
    """The time stands still at `fakes.NOW`."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture(params=[(80, 24), (160, 50)], ids=["80x24", "160x50"])
def size(request) -> tuple[int, int]:
    """Both sizes that everything has to work at."""
    return request.param


@pytest.fixture
def until():
    """Wait until a condition holds, processing what the screen has to do meanwhile; fails when it never does."""

    async def wait(pilot: Pilot, condition: Callable[[], object], what: str = "") -> None:
        deadline = time.monotonic() + LONGEST
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"never came: {what or condition}\n{text_of(pilot)}")
            await pilot.pause()
            await asyncio.sleep(0.01)
        await pilot.pause()

    return wait


def text_of(pilot: Pilot) -> str:
    """The characters on the screen, as a person without colours sees them."""
    width, height = pilot.app.size
    lines = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line)[:width].rstrip() for line in lines[:height])


async def typed(pilot: Pilot, text: str) -> None:
    """Type a text over what the field held; a long one is pasted, as people do with keys and addresses."""
    await pilot.press("end", "ctrl+u")
    if len(text) > 12:
        pilot.app.post_message(events.Paste(text))
        await pilot.pause()
    else:
        await pilot.press(*text)
