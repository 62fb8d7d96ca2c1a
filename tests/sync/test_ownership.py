"""An audience at a partner is written by one sync, however it is called and whichever way leads there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from hub.app import Hub
from hub.clock import now
from hub.errors import UsageError
from hub.store.tables import projects, syncs
from hub.sync.states import RunState
from tests.customers import LOYAL, NAMES, buy, email, in_cohort, tagged

TWO_HOURS = timedelta(hours=2)


async def test_cohorts_whose_names_differ_only_in_case_do_not_share_a_tag(connected, cli):
    connected.cohorts.add("Case", LOYAL)
    connected.cohorts.add("case", LOYAL)
    connected.syncs.start("Case", "news", every=TWO_HOURS)

    refused = cli("sync", "start", "case", "news", "--every", "2h")
    named = cli("sync", "start", "case", "news", "--every", "2h", "--audience", "another")

    assert refused.returncode == 2
    assert "The sync Case-news (audience 'hub: Case' at news) writes the audience 'hub: case' already" in refused.stderr
    assert "--audience NAME" in refused.stderr
    assert named.returncode == 0


async def test_a_second_connection_to_one_list_does_not_write_the_same_tag(connected, partner):
    await connected.connections.add("mailchimp", "again", partner.settings)
    connected.syncs.start("loyal", "news", every=TWO_HOURS)

    with pytest.raises(UsageError, match=r"loyal-news \(audience 'hub: loyal' at news\)"):
        connected.syncs.start("loyal", "again", every=TWO_HOURS)


async def test_another_list_of_the_account_is_another_audience(connected, partner):
    second = partner.admin.post("/lists", {"name": "Second"})["id"]
    await connected.connections.add("mailchimp", "other", {**partner.settings, "audience": second})
    connected.syncs.start("loyal", "news", every=TWO_HOURS)

    assert connected.syncs.start("loyal", "other", every=TWO_HOURS).state == "active"


async def test_another_project_does_not_write_the_same_tag(connected, partner, home):
    with connected.workspace.store.writing() as connection:
        connection.execute(
            projects.insert().values(name="second", timezone="UTC", identity="simplified", created_at=now())
        )
    second = Hub.open(home, "second")
    second.cohorts.add("loyal", LOYAL)
    await second.connections.add("mailchimp", "news", partner.settings)
    connected.syncs.start("loyal", "news", every=TWO_HOURS)

    with pytest.raises(UsageError, match="The sync loyal-news of the project default"):
        second.syncs.start("loyal", "news", every=TWO_HOURS)


async def test_the_very_same_audience_is_taken_over_as_before(connected):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)

    connected.syncs.start("loyal", "news", every=None, name="once")

    assert connected.syncs.get("loyal-news").state == "stopped"
    with pytest.raises(UsageError, match="The sync once"):
        connected.syncs.resume("loyal-news")


async def test_a_sync_of_another_spelling_goes_on_with_what_a_stopped_one_put_there(connected, partner, tmp_path):
    connected.syncs.start("loyal", "news", every=TWO_HOURS, audience="VIP")
    await connected.syncs.run("loyal-news")
    connected.syncs.stop("loyal-news")
    buy(connected, tmp_path, NAMES[:1], event="Returned", times=1)

    connected.syncs.start("loyal", "news", every=TWO_HOURS, audience="vip", name="lower")
    run = await connected.syncs.run("lower")

    assert (run.state, run.added, run.removed, run.unchanged) == (RunState.DONE, 0, 1, 39)
    assert tagged(partner, "VIP") == in_cohort(connected)


async def test_a_sync_through_another_connection_goes_on_too(connected, partner, tmp_path):
    connected.syncs.start("loyal", "news", every=None)
    await connected.syncs.run("loyal-news")
    await connected.connections.add("mailchimp", "again", partner.settings)
    buy(connected, tmp_path, NAMES[:1], event="Returned", times=1)

    connected.syncs.start("loyal", "again", every=None)
    run = await connected.syncs.run("loyal-again")

    assert (run.removed, run.unchanged) == (1, 39)
    assert tagged(partner) == in_cohort(connected)


async def test_of_a_pair_of_an_older_home_the_older_runs_and_status_tells_of_the_other(connected, partner, tmp_path):
    _pair(connected)

    problems = connected.status().problems
    with pytest.raises(UsageError, match="first"):
        await connected.syncs.run("second")
    await connected.syncs.run("first")

    assert [problem for problem in problems if "second" in problem and "first" in problem] == list(problems)
    assert email(NAMES[0]) in tagged(partner, "Case")


def _pair(hub) -> None:
    """Two active syncs of one tag, as only an older hub let them be made."""
    hub.syncs.start("loyal", "news", every=TWO_HOURS, audience="Case", name="first")
    hub.syncs.start("loyal", "news", every=TWO_HOURS, audience="elsewhere", name="second")
    with hub.workspace.store.writing() as connection:
        connection.execute(syncs.update().where(syncs.c.name == "second").values(audience_name="case"))
        assert [*connection.execute(select(syncs.c.state)).scalars()] == ["active", "active"]
