"""Removing syncs, cohorts and connections: the ledger stays readable, the partner keeps what it has, names are free."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hub.errors import Busy, Interrupted, NotFound, UsageError
from hub.lake.tables import DELIVERIES
from hub.sync.states import RunState
from tests.customers import LOYAL, NAMES, buy, in_cohort, tagged

TWO_HOURS = timedelta(hours=2)


async def test_a_removed_sync_leaves_the_partner_and_the_ledger_as_they_are(connected, partner, cli):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    run = await connected.syncs.run("loyal-news")

    removed = cli("sync", "remove", "loyal-news", "--yes")

    assert removed.returncode == 0, removed.stderr
    assert "40 people stay in 'hub: loyal' at news; nobody takes them out any more. 1 run stays" in removed.stdout
    assert tagged(partner) == in_cohort(connected)
    assert connected.syncs.list() == []
    assert connected.syncs.runs()[0].id == run.id
    shown = json.loads(cli("sync", "show", "loyal-news", "--json").stdout)
    assert (shown["state"], shown["runs"][0]["added"]) == ("removed", 40)
    assert json.loads(cli("run-due", "--json").stdout)["runs"] == []


async def test_its_name_is_free_and_a_new_one_goes_on_with_what_the_partner_holds(connected, partner, tmp_path):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")
    await connected.syncs.remove("loyal-news")
    buy(connected, tmp_path, NAMES[:1], event="Returned", times=1)

    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    run = await connected.syncs.run("loyal-news")

    assert (run.removed, run.unchanged) == (1, 39)
    assert tagged(partner) == in_cohort(connected)


async def test_where_nobody_can_be_asked_removing_needs_yes_and_changes_nothing(connected, cli):
    connected.syncs.start("loyal", "news", every=None)

    for command in (("sync", "remove", "loyal-news"), ("cohort", "remove", "loyal")):
        done = cli(*command)
        assert done.returncode == 2
    assert "0 people stay" in cli("sync", "remove", "loyal-news").stderr

    assert [each.name for each in connected.syncs.list()] == ["loyal-news"]


async def test_what_an_interrupted_run_delivered_is_kept_when_its_sync_is_removed(tiny):
    from tests.sync.tiny import Tiny

    await _interrupted(tiny)
    removed = await tiny.syncs.remove("s")

    assert 0 < removed.held < 40
    assert removed.held == len(Tiny.held["A"])
    [run] = tiny.syncs.runs()
    assert (run.state, run.message) == (RunState.FAILED, f"{40 - removed.held} members are owed and go out with the "
                                                         "next run. The sync was removed.")  # fmt: skip
    with tiny.workspace.reading() as reader:
        assert reader.value(reader.table(DELIVERIES).count()) == removed.held


async def _interrupted(hub) -> None:
    """Let a run of `s` be stopped after its first batches."""
    import threading

    stop = threading.Event()
    with pytest.raises(Interrupted):
        await hub.syncs.run("s", report=lambda progress: stop.set() if progress.done else None, stop=stop)


async def test_a_sync_that_runs_is_not_removed(tiny):
    from tests.sync.tiny import Tiny

    async def while_it_runs() -> None:
        with pytest.raises(Busy):
            await tiny.syncs.remove("s")

    Tiny.opening = while_it_runs

    assert (await tiny.syncs.run("s")).state is RunState.DONE
    assert tiny.syncs.get("s").state == "active"


async def test_a_cohort_and_a_connection_of_an_active_sync_stay_and_the_sync_is_named(connected, cli):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)

    cohort = cli("cohort", "remove", "loyal", "--yes")
    connection = cli("connection", "remove", "news", "--yes")

    assert cohort.returncode == connection.returncode == 2
    assert "The cohort 'loyal' is used by the sync 'loyal-news'" in cohort.stderr
    assert "The connection 'news' is used by the sync 'loyal-news'" in connection.stderr


async def test_a_cohort_and_a_connection_whose_syncs_are_over_go_and_their_runs_stay(connected, partner, cli):
    connected.syncs.start("loyal", "news", every=None)
    await connected.syncs.run("loyal-news")

    gone = cli("cohort", "remove", "loyal", "--yes", "--json")
    forgotten = cli("connection", "remove", "news", "--yes")

    assert json.loads(gone.stdout) == {"cohort": "loyal", "removed": True, "syncs": ["loyal-news"]}
    assert forgotten.returncode == 0
    assert (connected.cohorts.list(), connected.connections.list(), connected.inbound.list()) == ([], [], [])
    assert connected.syncs.runs()[0].added == 40
    with pytest.raises(NotFound):
        connected.connections.get("news")

    connected.cohorts.add("loyal", LOYAL)
    await connected.connections.add("mailchimp", "news", partner.settings)
    connected.syncs.start("loyal", "news", every=None)
    assert (await connected.syncs.run("loyal-news")).unchanged == 40


async def test_a_cohort_whose_sync_was_interrupted_stays(tiny):
    await _interrupted(tiny)
    tiny.syncs.stop("s")

    with pytest.raises(UsageError, match="used by the sync 's'"):
        tiny.cohorts.remove("loyal")
