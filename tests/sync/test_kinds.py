"""Runs of cohorts that bring their own members: everybody goes out, by keys and with values of their own."""

from __future__ import annotations

from datetime import timedelta

import duckdb

from hub.cohorts.lists.changes import Mode
from hub.cohorts.lists.files import Layout
from hub.errors import UsageError
from hub.sync.states import RunState
from tests.sync.tiny import Tiny

_TWO_HOURS = timedelta(hours=2)


def start(hub, cohort):
    hub.syncs.start(cohort, "t", every=_TWO_HOURS, audience=cohort, name=cohort, mapping={"PLAN": "plan"})


async def run(hub, name):
    done = await hub.syncs.run(name)
    assert done.state is RunState.DONE, done.message
    return done.qualified, dict(done.skipped), done.added, done.updated, done.removed


async def test_received_members_come_change_and_leave_at_the_partner(tiny):
    tiny.lists.add_received("push", key="email")
    members = [{"$email": "stranger@x.no", "plan": "a"}, {"$email": "P000@shop.example"}]
    tiny.lists.stage("push", "s1", 1, 1, members)
    start(tiny, "push")

    assert await run(tiny, "push") == (2, {}, 2, 0, 0)
    assert Tiny.held["push"] == {"stranger@x.no", "p000@shop.example"}
    assert await run(tiny, "push") == (2, {}, 0, 0, 0)

    tiny.lists.change("push", [{"$email": "stranger@x.no", "plan": "b"}], Mode.ADD)
    assert await run(tiny, "push") == (2, {}, 0, 1, 0)

    tiny.lists.stage("push", "s2", 1, 1, [{"$email": "stranger@x.no", "plan": "b"}])
    assert await run(tiny, "push") == (1, {}, 0, 0, 1)
    assert Tiny.held["push"] == {"stranger@x.no"}


async def test_a_static_list_goes_out_as_far_as_the_partner_can_know_its_ids(tiny, tmp_path):
    file = tmp_path / "vip.csv"
    file.write_text("distinct_id,plan\np001,gold\nnobody,gold\n")
    tiny.lists.add_static("vip", file)
    start(tiny, "vip")

    assert await run(tiny, "vip") == (2, {"no key": 1}, 1, 0, 0)
    assert Tiny.held["vip"] == {"p001@shop.example"}

    file.write_text("distinct_id,plan\np001,silver\np002,gold\n")
    tiny.lists.add_static("vip", file, replace=True, layout=Layout())
    assert await run(tiny, "vip") == (2, {}, 1, 1, 0)


async def test_a_warehouse_that_is_away_ends_the_run_and_takes_nobody_out(tiny, tmp_path):
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 'a' || i || '@x.no' AS email, 'pro' AS plan FROM range(3) r(i)")
    tiny.warehouses.add("w", f"duckdb://{path}")
    tiny.lists.add_sql("sql", "SELECT * FROM t", "w", key="email")
    start(tiny, "sql")
    assert await run(tiny, "sql") == (3, {}, 3, 0, 0)

    path.rename(tmp_path / "away.duckdb")
    failed = await tiny.syncs.run("sql")
    assert (failed.state, failed.removed) == (RunState.FAILED, 0)
    assert "There is no file" in failed.message
    assert len(Tiny.held["sql"]) == 3

    (tmp_path / "away.duckdb").rename(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM t WHERE email = 'a0@x.no'")
        connection.execute("UPDATE t SET plan = 'team' WHERE email = 'a1@x.no'")
    assert await run(tiny, "sql") == (2, {}, 0, 1, 1)


async def test_a_list_that_a_sync_uses_stays(tiny):
    tiny.lists.add_received("push")
    start(tiny, "push")
    try:
        tiny.cohorts.remove("push")
    except UsageError as error:
        assert "used by the sync 'push'" in error.message
    else:
        raise AssertionError("it was removed")
