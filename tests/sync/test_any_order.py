"""Whatever happens in whatever order: once the weather is good, the partner holds the cohort minus who is refused.

The machine changes people (in, out, renamed, moved, merged), lets runs fail, be killed, be held and decided about,
takes them back, and lets somebody at the partner meddle; whenever it calms down, the partner's own list is compared.
`SYNC_EXAMPLES=100` looks longer.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import select
from tenacity.wait import wait_none

from hub import BatchRefused, Outcome, PartnerUnavailable, Refusal
from hub.app import Hub
from hub.connectors.plugins import load_from
from hub.errors import Busy, Held, HubError, UsageError
from hub.projects import initialise
from hub.settings import load
from hub.store.tables import audiences
from hub.sync.refused import RefusedMembers
from hub.sync.states import Action, RunState
from hub.sync.verify_findings import Kind
from tests.sync.test_answers import held
from tests.sync.test_interruptions import STATEMENTS, _Killed, killed_in
from tests.sync.tiny import Tiny

NAMES = [f"u{number}" for number in range(7)]
PROS = "version: 1\nall:\n  - profile: plan\n    op: '='\n    value: pro\n"
people = st.sampled_from(NAMES)
_SHORT = 2
EXAMPLES = int(os.environ.get("SYNC_EXAMPLES", _SHORT))


@cache
def template() -> Path:
    home = Path(tempfile.mkdtemp(prefix="any-order-")) / "home"
    initialise(load(home), identity="original")
    return home


class AnyOrder(RuleBasedStateMachine):
    """Seven people, a cohort of some of them, and a guarded sync of it to the tiny partner."""

    def __init__(self) -> None:
        super().__init__()
        Tiny.forget()
        self.folder = Path(tempfile.mkdtemp())
        self.hub = Hub.open(Path(shutil.copytree(template(), self.folder / "home")))
        self.hub.plugins = load_from([EntryPoint("tiny", "tests.sync.tiny", "hub.plugins")])
        self.hub.cohorts.add("pros", PROS)
        asyncio.run(self.hub.connections.add("tiny", "t", {}))
        every = timedelta(hours=2)
        self.hub.syncs.start("pros", "t", every=every, audience="A", name="s", mapping={"NAME": "first_name"})
        self.hub.syncs.guard("s", least=3, removals=0.5)
        self.written = 0
        self.moves = dict.fromkeys(NAMES, 0)
        self.meddled = False
        self.strangers: set[str] = set()

    @initialize(pros=st.sets(people, min_size=4))
    def begin(self, pros):
        for name in NAMES:
            self.write("profiles", {"$distinct_id": name, "$set": self.profile(name, name in pros, "Ann")})

    @rule(name=people, pro=st.booleans(), called=st.sampled_from(["Ann", "Bo", "Cy"]))
    def change(self, name, pro, called):
        self.write("profiles", {"$distinct_id": name, "$set": self.profile(name, pro, called)})

    @rule(names=st.sets(people, min_size=4), pro=st.booleans())
    def change_many(self, names, pro):
        for name in names:
            self.write("profiles", {"$distinct_id": name, "$set": self.profile(name, pro, "Di")})

    @rule(name=people)
    def move(self, name):
        self.moves[name] += 1
        self.write("profiles", {"$distinct_id": name, "$set": {"$email": self.address(name)}})

    @rule(one=people, other=people)
    def merge(self, one, other):
        merged = {"$distinct_ids": [one, other], "time": 1_767_300_000, "distinct_id": ""}
        self.write("events", {"event": "$merge", "properties": merged})

    @rule()
    def run(self):
        self.attempt(self.hub.syncs.run("s"))

    @rule(name=people)
    def run_and_be_refused(self, name):
        address = self.address(name)

        async def refuses(verb, members):
            return Outcome([Refusal(each.key, "no") for each in members if each.key == address and verb == "add"])

        self.run_with(refuses)

    @rule(name=people)
    def run_and_have_whole_batches_refused(self, name):
        address = self.address(name)

        async def refuses(verb, members):
            if verb == "add" and any(each.key == address for each in members):
                raise BatchRefused("somebody in it is not taken")
            return Outcome()

        self.run_with(refuses)

    @rule(times=st.integers(1, 14))
    def run_and_lose_answers(self, times):
        left = [times]

        async def loses(verb, members):
            if left[0]:
                left[0] -= 1
                held = Tiny.held["A"]
                keys = {each.key for each in members}
                held.update(keys) if verb == "add" else held.difference_update(keys)
                for each in members if verb == "add" else ():
                    Tiny.values.setdefault("A", {}).setdefault(each.key, {}).update(each.values)
                raise PartnerUnavailable("cut", answer_lost=True)
            return Outcome()

        self.run_with(loses)

    @rule(names=st.sets(people, min_size=3))
    def lose_every_answer_and_then_some_leave(self, names):
        self.change_many(names, True)
        self.run_and_lose_answers(99)
        self.change_many(names, False)

    @rule(names=st.sets(people, min_size=2), pro=st.booleans())
    def run_and_take_back_at_once(self, names, pro):
        self.calm()
        before = {*Tiny.held.get("A", ())}
        self.change_many(names, pro)
        run = self.let_go(asyncio.run(self.hub.syncs.run("s")))
        if run.added + run.removed:
            undone = self.let_go(asyncio.run(self.hub.syncs.undo(run.id)))
            assert undone.state is RunState.DONE
            assert Tiny.held["A"] == before

    @rule(error=st.sampled_from([PartnerUnavailable("away"), ValueError("a bug"), RecursionError("deep")]))
    def run_and_fail(self, error):
        async def fails(verb, members):
            raise error

        self.run_with(fails)

    @rule(statement=st.sampled_from(STATEMENTS), after=st.booleans())
    def run_and_be_killed(self, statement, after):
        revive = killed_in(self.monkeypatch, *statement, after=after)
        try:
            self.attempt(self.hub.syncs.run("s"))
        except _Killed:
            pass
        except BaseExceptionGroup as group:
            assert group.subgroup(_Killed)
        finally:
            revive()

    @rule()
    def pause(self):
        self.attempt_plain(self.hub.syncs.pause)

    @rule()
    def resume(self):
        self.attempt_plain(self.hub.syncs.resume)

    @rule(approve=st.booleans())
    def decide(self, approve):
        held = [run for run in self.hub.syncs.runs("s") if run.state is RunState.HELD]
        if held:
            syncs = self.hub.syncs
            self.attempt(syncs.approve(held[0].id) if approve else syncs.refuse(held[0].id))

    @rule(nth=st.integers(0, 2))
    def undo(self, nth):
        ended = [run for run in self.hub.syncs.runs("s") if run.state in (RunState.DONE, RunState.FAILED)]
        if nth < len(ended):
            self.attempt(self.hub.syncs.undo(ended[nth].id))

    @rule(name=people)
    def meddle_by_taking_out(self, name):
        if self.address(name) in Tiny.held.get("A", ()):
            Tiny.held["A"].discard(self.address(name))
            self.meddled = True

    @rule()
    def meddle_by_putting_in(self):
        if "A" in Tiny.held:
            Tiny.held["A"].add("stranger@elsewhere.example")
            self.strangers.add("stranger@elsewhere.example")

    @rule(adopt=st.booleans())
    def verify(self, adopt):
        if "A" not in Tiny.held:
            return
        kinds = [Kind.EXTRA, Kind.EXTRA_IN_COHORT] if adopt else []
        self.attempt(self.hub.syncs.verify("s", repair=[Kind.MISSING, Kind.CHANGED, Kind.UNCERTAIN], adopt=kinds))

    @rule()
    def calm(self):
        """The weather is good, nothing is paused, and whatever a guard holds is approved."""
        self.attempt_plain(self.hub.syncs.resume)
        self.until_nothing_is_left()
        if self.meddled:
            asyncio.run(self.hub.syncs.verify("s", repair=[Kind.MISSING, Kind.CHANGED]))
            self.until_nothing_is_left()
            self.meddled = False
        self.compare()

    def teardown(self):
        self.calm()
        shutil.rmtree(self.folder)

    def until_nothing_is_left(self):
        for _ in range(8):
            run = self.let_go(asyncio.run(self.hub.syncs.run("s")))
            if run.state is RunState.DONE and not run.planned:
                return
        raise AssertionError(f"there is always something left: {run}")

    def let_go(self, run):
        """The run as it ends; one that a guard holds is approved."""
        if run.state is not RunState.HELD:
            return run
        try:
            return asyncio.run(self.hub.syncs.approve(run.id))
        except Held:  # the world has moved since
            return asyncio.run(self.hub.syncs.run("s"))

    def compare(self):
        told = self.hub.cohorts.members("pros", properties=["first_name"])
        wanted = {each["email"]: each["properties"]["first_name"] for each in told}
        not_added, not_removed = self.parked(Action.ADD), self.parked(Action.REMOVE)
        there = Tiny.held.get("A", set())
        # whoever may have arrived once, and was refused when sent again, is there or not: the books say so
        unknown = not_added & {key for key, certain in held(self.hub).items() if not certain}
        apart = self.strangers | unknown
        assert there - apart == ((wanted.keys() - not_added) | not_removed) - apart
        for key in wanted.keys() - not_added - self.parked(Action.UPDATE):
            assert Tiny.values["A"][key]["NAME"] == wanted[key]

    def parked(self, action):
        store = self.hub.workspace.store
        with store.reading() as connection:
            ids = connection.execute(select(audiences.c.id)).scalars().all()
        pages = [page for each in ids for page in RefusedMembers(store).of_audience(each)]
        return {row.key for page in pages for row in page if row.action == action and not row.in_audience}

    def run_with(self, answer):
        Tiny.answer = answer
        try:
            self.attempt(self.hub.syncs.run("s"))
        finally:
            Tiny.answer = None

    def attempt(self, work):
        try:
            asyncio.run(work)
        except (UsageError, Busy, Held) as refused:
            assert refused.message

    def attempt_plain(self, work):
        try:
            work("s")
        except HubError as refused:
            assert refused.message

    def profile(self, name, pro, called):
        return {"$email": self.address(name), "plan": "pro" if pro else "free", "first_name": called}

    def address(self, name):
        return f"{name}.{self.moves[name]}@shop.example"

    def write(self, kind, line):
        self.written += 1
        path = self.folder / f"{self.written}.jsonl"
        path.write_text(json.dumps(line) + "\n")
        getattr(self.hub, kind).import_file(str(path))


def test_in_any_order_the_partner_ends_up_with_the_cohort(monkeypatch):
    monkeypatch.setattr("hub.connectors.retry._backoff", wait_none())
    monkeypatch.setattr(Tiny, "limits", replace(Tiny.limits, batch_size=2, attempts=2))
    monkeypatch.setattr(AnyOrder, "monkeypatch", monkeypatch, raising=False)
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=EXAMPLES,
            derandomize=EXAMPLES == _SHORT,
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=[*HealthCheck],
        ),
    )
