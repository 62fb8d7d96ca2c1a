"""Leases: one worker at a time, and a dead one's place is free at once."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from hub.clock import now
from hub.errors import Busy
from hub.store.lease import _this_process, leased
from hub.store.tables import audiences, connections


@pytest.fixture
def audience(workspace) -> int:
    with workspace.store.writing() as connection:
        of = connection.execute(
            connections.insert()
            .values(
                project_id=1,
                name="a",
                connector="x",
                settings={},
                secrets=b"",
                state="connected",
                created_at=now(),
                updated_at=now(),
            )
            .returning(connections.c.id)
        ).scalar_one()
        made = audiences.insert().values(connection_id=of, name="a", created_at=now()).returning(audiences.c.id)
        return connection.execute(made).scalar_one()


async def test_the_second_is_refused_while_the_first_works(workspace, audience):
    async with leased(workspace.store, audiences, audience, what="The audience"):
        with pytest.raises(Busy, match="The audience is being worked on"):
            async with leased(workspace.store, audiences, audience, what="The audience"):
                pass


async def test_a_lease_that_was_given_back_is_free(workspace, audience):
    for _ in range(2):
        async with leased(workspace.store, audiences, audience, what="The audience"):
            pass


async def test_a_lease_of_a_process_that_died_is_taken_over_at_once(workspace, audience):
    dead = subprocess.run(
        [sys.executable, "-c", "from hub.store.lease import _this_process; print(_this_process())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    _hold(workspace, audience, f"{dead}:abc", now() + timedelta(hours=1))

    async with leased(workspace.store, audiences, audience, what="The audience"):
        pass


async def test_a_lease_of_another_machine_is_respected_until_its_time_is_up(workspace, audience):
    _hold(workspace, audience, "elsewhere:1:1:abc", now() + timedelta(hours=1))
    with pytest.raises(Busy, match="process 1 on elsewhere"):
        async with leased(workspace.store, audiences, audience, what="The audience"):
            pass

    _hold(workspace, audience, "elsewhere:1:1:abc", now() - timedelta(seconds=1))
    async with leased(workspace.store, audiences, audience, what="The audience"):
        pass


def test_a_process_knows_itself_by_host_pid_and_start():
    assert len(_this_process().split(":")) == 3


def _hold(workspace, audience, owner, until) -> None:
    with workspace.store.writing() as connection:
        connection.execute(
            audiences.update().where(audiences.c.id == audience).values(lease_owner=owner, lease_until=until)
        )
