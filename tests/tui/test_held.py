"""A held run on its screen: it says that it waits and why, and a person decides with one key and a yes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from hub.sync.states import RunState
from tests.tui.conftest import text_of
from tests.tui.fakes import NOW, FakeHub, run
from tui.app import HubApp
from tui.screens.run import RunScreen

HELD = run(7, state=RunState.HELD, finished_at=None, held=600, message="600 of 1,000 members would leave.")


class Deciding(FakeHub):
    """Notes what was decided."""

    def __init__(self) -> None:
        super().__init__(runs_known=[HELD])
        self.decided: list[tuple[str, int]] = []

    @property
    def syncs(self):
        return SimpleNamespace(
            **{**vars(super().syncs), "approve": self._decide("done"), "refuse": self._decide("refused")}
        )

    def _decide(self, state: str):
        async def decide(run_id: int, **_: object):
            self.decided.append((state, run_id))
            self.runs_known = [
                replace(HELD, state=RunState(state), held=0, decision=state, decided_by="ada", decided_at=NOW)
            ]
            return self.runs_known[0]

        return decide


@pytest.mark.parametrize(("key", "state"), [("a", "done"), ("f", "refused")])
async def test_a_held_run_is_decided_with_one_key_and_a_yes(until, key, state):
    hub = Deciding()
    app = HubApp(hub)
    async with app.run_test(size=(100, 30)) as pilot:
        app.push_screen(RunScreen(app.session, HELD))
        await until(pilot, lambda: "600 members until somebody approves (a) or refuses (f)" in text_of(pilot))

        await pilot.press(key, "y")
        await until(pilot, lambda: hub.decided)

        assert hub.decided == [(state, 7)]
        await until(pilot, lambda: "by ada" in text_of(pilot))
