"""What the partner has, and runs taken back, on their screens: the numbers first, then a key and a yes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from hub.errors import UsageError
from hub.sync.guards import Concern, Scope
from hub.sync.plan import Plan
from hub.sync.undo import Undo
from hub.sync.verify_findings import Found, Kind
from hub.sync.verify_reports import Verification
from tests.tui.conftest import text_of
from tests.tui.fakes import NOW, FakeHub, run, sync
from tui.app import HubApp
from tui.screens.run import RunScreen
from tui.screens.verify import VerifyScreen

FOUND = Verification(
    id=3, sync="vip", state="done", began_at=NOW, listed=41, held=40, values_read=True,
    found={"missing": 2, "extra": 3, "known": 1},
    samples={"missing": [Found("ada@shop.example", "ada", False)], "extra": [Found("x@else.example", "x", True)]},
)  # fmt: skip
DONE = run(7, sync="vip")
PLAN = Plan(qualified=60, skipped={"changed since": 3}, to_add=1, to_update=2, to_remove=54, unchanged=0, parked=0,
            digest="d1", held=60)  # fmt: skip
UNDO = Undo(
    run=7, sync="vip", audience="hub: vip", plan=PLAN, holds=Scope.REMOVALS, pauses=True,
    concerns=[Concern("removals", Scope.REMOVALS, "54 of 60 would leave.")],
)  # fmt: skip


class Asked(FakeHub):
    """Answers with these findings and this undo, and notes what was decided."""

    def __init__(self) -> None:
        super().__init__(syncs_known=[sync("vip")], runs_known=[DONE])
        self.decided: list[object] = []
        self.refuses = False

    @property
    def syncs(self):
        async def verify(name: str, **_: object) -> Verification:
            if self.refuses:
                raise UsageError("I cannot tell who is in 'hub: vip'.")
            return FOUND

        async def decide(number: int, **kinds: list[Kind]) -> Verification:
            self.decided.append((number, {way: [str(kind) for kind in some] for way, some in kinds.items() if some}))
            return replace(FOUND, decided={"missing": "repair", "extra": "ignore"}, run=9)

        async def undo(run_id: int, *, digest: str, **_: object):
            self.decided.append((run_id, digest))
            return run(8, sync="vip", trigger="undo", undoes=7)

        return SimpleNamespace(
            **{**vars(super().syncs), "verify": verify, "decide": decide, "undoing": lambda _: UNDO, "undo": undo}
        )


async def test_findings_are_shown_in_numbers_chosen_about_with_enter_and_done_after_a_yes(until):
    hub = Asked()
    app = HubApp(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(VerifyScreen(app.session, sync("vip")))
        await until(pilot, lambda: "41 members are in" in text_of(pilot))
        assert "ada@shop.example (ada)" in text_of(pilot)
        assert "Do it" not in text_of(pilot)

        await pilot.press("enter", "down", "enter", "enter")
        await until(pilot, lambda: "ignore from now" in text_of(pilot))
        assert "repair: next run" in text_of(pilot)
        await pilot.press("d")
        await until(pilot, lambda: "ignore 3 members" in text_of(pilot))
        await pilot.press("y")
        await until(pilot, lambda: hub.decided)

        assert hub.decided == [(3, {"repair": ["missing"], "ignore": ["extra"]})]
        await until(pilot, lambda: "(run 9)" in text_of(pilot))


async def test_a_partner_that_cannot_tell_says_so(until):
    hub = Asked()
    hub.refuses = True
    app = HubApp(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(VerifyScreen(app.session, sync("vip")))
        await until(pilot, lambda: "I cannot tell who is in" in text_of(pilot))


async def test_a_run_is_taken_back_after_its_numbers_and_a_yes(until):
    hub = Asked()
    app = HubApp(hub)
    async with app.run_test(size=(100, 30)) as pilot:
        app.push_screen(RunScreen(app.session, DONE))
        await until(pilot, lambda: "Undo" in text_of(pilot))
        await pilot.press("u")
        await until(pilot, lambda: "Take back run 7?" in text_of(pilot))
        said = " ".join(text_of(pilot).replace("│", " ").split())
        for part in ("54 removed", "3 members stay: changed since", "54 of 60 would leave", "vip is paused with it"):
            assert part in said
        await pilot.press("y")
        await until(pilot, lambda: hub.decided)
        assert hub.decided == [(7, "d1")]
