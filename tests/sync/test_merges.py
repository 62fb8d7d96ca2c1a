"""People who become one: the next run sees it, and at the partner it is one move."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.metadata import EntryPoint

import pytest

from hub.app import Hub
from hub.connectors.contract import Matching, MatchKey
from hub.connectors.plugins import load_from
from hub.projects import initialise
from hub.settings import load
from hub.sync.plan import plan_file
from tests.customers import LOYAL, buy, describe, email
from tests.sync.tiny import Tiny

DEVICE = "$device:9d7c2a0e-5b1f-4c3d-8e6a-0123456789ab"
_TWO_HOURS = timedelta(hours=2)


@pytest.fixture
async def original(tmp_path):
    """A hub under original identity, with a sync `s` of the loyal to the audience `A` of the tiny partner."""
    return await _made(tmp_path, "original")


async def _made(tmp_path, identity: str) -> Hub:
    Tiny.forget()
    home = tmp_path / identity
    initialise(load(home), identity=identity)
    hub = Hub.open(home)
    hub.plugins = load_from([EntryPoint("tiny", "tests.sync.tiny", "hub.plugins")])
    hub.cohorts.add("loyal", LOYAL)
    await hub.connections.add("tiny", "t", {})
    hub.syncs.start("loyal", "t", every=_TWO_HOURS, audience="A", name="s")
    return hub


def _say(hub: Hub, folder, event: str, **properties) -> None:
    path = folder / f"say-{len([*folder.glob('say-*')])}.jsonl"
    sent = {"time": 1_767_300_000, "distinct_id": "", **properties}
    path.write_text(json.dumps({"event": event, "properties": sent}) + "\n")
    hub.events.import_file(path)


def _buy_on_the_device(hub: Hub, folder, times: int) -> None:
    for number in range(times):
        _say(hub, folder, "Purchase", distinct_id=DEVICE, time=1_767_250_000 + number)


def _planned(hub: Hub, run_id: int) -> list[tuple[str, str, str]]:
    import pyarrow.parquet as pq

    rows = pq.read_table(plan_file(hub.workspace, run_id)).to_pylist()
    return [(row["action"], row["key"], row["person"]) for row in rows]


async def test_two_people_with_two_addresses_who_become_one_are_there_once(original, tmp_path):
    buy(original, tmp_path, ["ann", "bob", "zoe"])
    describe(original, tmp_path, ["ann", "bob", "zoe"])
    await original.syncs.run("s")
    _say(original, tmp_path, "$merge", **{"$distinct_ids": ["bob", "ann"]})

    run = await original.syncs.run("s")

    assert (run.qualified, run.added, run.removed, run.unchanged) == (2, 0, 1, 2)
    assert Tiny.held["A"] == {email("ann"), email("zoe")}
    assert _planned(original, run.id) == [("remove", email("bob"), "ann")]
    assert (await original.syncs.run("s")).planned == 0


async def test_a_canonical_id_that_changes_is_one_move_where_it_is_the_key(original, tmp_path, monkeypatch):
    monkeypatch.setattr(Tiny, "matching", Matching(keys=(MatchKey("distinct_id"),)))
    _buy_on_the_device(original, tmp_path, 3)
    buy(original, tmp_path, ["zoe"])
    describe(original, tmp_path, [DEVICE, "zoe"])
    await original.syncs.run("s")
    assert Tiny.held["A"] == {DEVICE, "zoe"}
    _say(original, tmp_path, "$identify", distinct_id="ann", **{"$anon_distinct_id": DEVICE})

    run = await original.syncs.run("s")

    assert (run.qualified, run.added, run.removed, run.unchanged) == (2, 1, 1, 1)
    assert Tiny.held["A"] == {"ann", "zoe"}
    assert _planned(original, run.id) == [("add", "ann", "ann"), ("remove", DEVICE, "ann")]
    assert (await original.syncs.run("s")).planned == 0


async def test_purchases_before_the_log_in_count_for_the_user_and_move_nobody_twice(tmp_path):
    hub = await _made(tmp_path, "simplified")
    _buy_on_the_device(hub, tmp_path, 2)
    buy(hub, tmp_path, ["ann"], times=1)
    describe(hub, tmp_path, ["ann"])
    assert (await hub.syncs.run("s")).qualified == 0
    _say(hub, tmp_path, "Log In", **{"$user_id": "ann", "$device_id": DEVICE.removeprefix("$device:")})

    run = await hub.syncs.run("s")

    assert (run.qualified, run.added) == (1, 1)
    assert Tiny.held["A"] == {email("ann")}
    assert (await hub.syncs.run("s")).planned == 0
    assert hub.mtu("2026-01").mtu == 1
