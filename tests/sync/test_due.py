"""`hub run-due`: what is due, once, for cron."""

from __future__ import annotations

import json
from datetime import timedelta

from hub.clock import now
from hub.store.tables import syncs
from tests.customers import NAMES, buy, describe, email, in_cohort, know, tagged


async def test_after_some_leave_and_some_join_the_next_run_due_sends_only_the_difference(
    connected, partner, cli, tmp_path
):
    assert cli("sync", "start", "loyal", "news", "--every", "2h").returncode == 0
    assert cli("run-due").returncode == 0
    leavers, joiners = NAMES[:2], ["j001", "j002"]
    buy(connected, tmp_path, leavers, event="Returned", times=1)
    buy(connected, tmp_path, joiners)
    describe(connected, tmp_path, joiners)
    know(partner, joiners)
    with connected.workspace.store.writing() as connection:
        connection.execute(syncs.update().values(next_run_at=now() - timedelta(seconds=1)))
    partner.admin.forget_requests()

    due = cli("run-due", "--json")

    [run] = json.loads(due.stdout)["runs"]
    assert (run["added"], run["removed"], run["unchanged"]) == (2, 2, 38)
    sent = {key for request in partner.admin.requests(writing=True, keys=True) for key in request["keys"]}
    assert sent == {email(name) for name in joiners} | {f"-{email(name)}" for name in leavers}
    assert tagged(partner) == in_cohort(connected)


async def test_nothing_is_due_right_after(connected, cli):
    cli("sync", "start", "loyal", "news")
    cli("run-due")

    again = cli("run-due")

    assert (again.returncode, again.stdout) == (0, "Nothing is due.\n")


async def test_one_sync_that_fails_does_not_keep_the_others_from_running(connected, partner, cli, home):
    await connected.connections.add("mailchimp", "broken", partner.settings)
    with connected.workspace.store.writing() as connection:
        from hub.store.tables import connections

        connection.execute(connections.update().where(connections.c.name == "broken").values(state="refused"))
    connected.syncs.start("loyal", "broken", every=None, audience="A")
    connected.syncs.start("loyal", "news", every=None)

    due = cli("run-due", "--json")

    done = json.loads(due.stdout)
    assert due.returncode == 1
    assert [run["sync"] for run in done["runs"]] == ["loyal-news"]
    assert "hub connection edit broken" in done["problems"]["loyal-broken"]
    assert tagged(partner) == in_cohort(connected)


async def test_rejected_members_are_exit_code_four(connected, partner, cli, tmp_path):
    buy(connected, tmp_path, ["newcomer"])
    describe(connected, tmp_path, ["newcomer"])
    connected.syncs.start("loyal", "news", every=None)

    run = cli("sync", "run", "loyal-news", "--json")

    assert run.returncode == 4
    assert json.loads(run.stdout)["rejected"] == 1
    shown = json.loads(cli("sync", "show", "loyal-news", "--json").stdout)
    assert shown["rejected"][0]["person"] == "newcomer"
