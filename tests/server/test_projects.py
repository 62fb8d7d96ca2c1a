"""Projects: added, edited, and kept apart."""

from __future__ import annotations

import json

import pytest

from hub.app import Hub
from hub.errors import AlreadyExists, NotFound, UsageError
from tests.customers import LOYAL, buy, describe


@pytest.fixture
def other(hub, home) -> Hub:
    """A second project."""
    hub.projects.add("other", timezone="Europe/Oslo", identity="original")
    return Hub.open(home, "other")


def test_a_project_has_its_own_zone_and_identity(hub, other):
    project = other.workspace.project

    assert (project.timezone, project.identity) == ("Europe/Oslo", "original")
    assert [each.name for each in hub.projects.list()] == ["default", "other"]


def test_what_cannot_be_a_name_is_refused(hub):
    for name in ("", " a", "a\nb", "12", "x" * 256):
        with pytest.raises(UsageError):
            hub.projects.add(name)


def test_a_name_is_taken_once(hub, other):
    with pytest.raises(AlreadyExists):
        hub.projects.add("other")
    with pytest.raises(AlreadyExists):
        hub.projects.edit("other", new_name="default")


def test_the_identity_system_is_fixed_once_data_is_in_and_the_rest_is_not(hub, home, tmp_path):
    hub.projects.edit("default", identity="original")
    hub = Hub.open(home)
    buy(hub, tmp_path, ["ann"])
    describe(hub, tmp_path, ["ann"])

    with pytest.raises(UsageError, match=r"stays original: it has 3 events and 1 profile"):
        hub.projects.edit("default", new_name="shop", identity="simplified")
    assert hub.projects.list()[0].name == "default"
    edited = hub.projects.edit("default", new_name="shop", timezone="Asia/Tokyo", identity="original")
    assert (edited.name, edited.timezone) == ("shop", "Asia/Tokyo")


def test_nothing_of_one_project_is_seen_from_another(hub, other, tmp_path):
    buy(hub, tmp_path, ["ann", "bob"])
    describe(hub, tmp_path, ["ann", "bob"], plan="pro")
    hub.cohorts.add("loyal", LOYAL)
    other.cohorts.add("loyal", LOYAL)

    status = other.status()

    assert (status.events, status.profiles, status.connections, status.syncs) == (0, 0, 0, 0)
    assert (hub.cohorts.count("loyal").count, other.cohorts.count("loyal").count) == (2, 0)
    assert {month.mtu for month in other.mtu_by_month(24)} == {0}
    assert sum(month.mtu for month in hub.mtu_by_month(24)) > 0


async def test_connections_and_syncs_of_one_project_are_not_seen_from_another(connected, home):
    connected.projects.add("other")
    other = Hub.open(home, "other")
    connected.syncs.start("loyal", "news", every=None)

    assert (other.connections.list(), other.syncs.list(), other.syncs.due(connected.syncs.list()[0].next_run_at)) == (
        [],
        [],
        [],
    )
    assert other.inbound.list() == []
    with pytest.raises(NotFound):
        other.connections.get("news")
    with pytest.raises(NotFound):
        other.syncs.get("loyal-news")


def test_the_commands_work_on_the_project_that_is_named(cli):
    made = json.loads(cli("project", "add", "shop", "--identity", "original", "--json").stdout)
    shown = json.loads(cli("project", "show", "shop", "--json").stdout)
    listed = cli("project", "list")
    cli("--project", "shop", "token", "add")

    assert (made["project"], made["identity"]) == ("shop", "original")
    assert (shown["id"], shown["events"]) == (made["id"], 0)
    assert "(this)" in listed.stdout.splitlines()[1]
    assert json.loads(cli("token", "list", "--json").stdout) == []
    assert len(json.loads(cli("token", "list", "--json", HUB_PROJECT="shop").stdout)) == 1
    assert cli("project", "edit", "shop").returncode == 2
