"""Cohorts that somebody pushes to the hub, page by page, really over HTTP: what they become, whatever comes when."""

from __future__ import annotations

import pytest

from hub.connectors.plugins import load_plugins
from hub.testing.sandbox import running


@pytest.fixture
def sender(home):
    """A sandbox that sends, by its admin endpoints."""
    with running(load_plugins().sandbox("webhook")(home / "sandbox" / "webhook")) as started:
        yield started.admin


def people(*names: str) -> list[dict]:
    return [{"mixpanel_distinct_id": name, "email": f"{name}@example.com"} for name in names]


async def test_a_cohort_that_is_pushed_is_what_its_sender_has_whatever_comes_when(hub, sender, in_a_thread):
    await hub.connections.add("webhook", "mp", {"inbound_username": "mp", "inbound_password": "secret"})
    hub.lists.add_received("VIPs")  # the operator's own, which is left alone

    def push(action: str, session: str, *members: str, name: str = "VIPs", **how: object) -> None:
        order = {
            "url": f"{base}/in/mp",
            "cohort": "9",
            "name": name,
            "username": "mp",
            "password": "secret",
            "page_size": 2,
            "action": action,
            "session": session,
            "members": people(*members),
            **how,
        }
        answers = sender.post("/send/cohort", order)["answers"]
        assert {(each["status"], each["text"]) for each in answers} == {
            (200, f'{{"action":"{action}","status":"success"}}')
        }
        decoded = hub.inbound.decode("mp")
        assert decoded.parked == 0

    def members(name: str = "VIPs (mp)") -> list[str]:
        return sorted(member["distinct_id"] for member in hub.cohorts.members(name))

    with in_a_thread(hub) as base:
        push("members", "s1", *"abcde", pages=[3, 1, 1])
        assert members() == []  # a page is missing
        push("members", "s1", *"abcde", pages=[2], times=2)
        assert members() == [*"abcde"]
        push("members", "s2", *"xyz", pages=[1])  # given up
        push("add_members", "s3", *"fg", times=2)
        push("remove_members", "s3", "a", "nobody", times=2)
        push("add_members", "s3", *"fg")  # late, and once more
        push("remove_members", "s4", *"bf", pages=[1])
        push("remove_members", "s4")  # an empty difference
        assert members() == [*"cdeg"]
        push("add_members", "s3", *"fg")  # again, after f left
        assert members() == [*"cdeg"]
        push("members", "s5", *"abc")
        push("add_members", "s4", *"q")  # of a session before the full copy
        push("members", "s1", *"abcde")  # which is no longer true
        assert members() == [*"abc"]

        push("add_members", "s6", "d", name="Gold")
        assert members("Gold") == [*"abcd"]
        hub.cohorts.add("named", "version: 1\nall: [{cohort: Gold}]")
        push("add_members", "s7", "e", name="Platinum")
        assert members("Gold") == [*"abcde"]  # a definition names it
        push("members", "s8", name="Platinum")
        assert members("Gold") == []
        push("members", "t1", "a", cohort="10", name="Gold")
        assert members("Gold (mp)") == ["a"]
        hub.cohorts.remove("Gold (mp)")
        push("add_members", "t2", "b", cohort="10", name="Gold")
        assert members("Gold (mp)") == ["b"]

        push("add_members", "t3", cohort="10", name="Gold", members=[{"email": "no id"}, *people("c")])
        assert members("Gold (mp)") == ["b", "c"]
    again = hub.inbound.replay("mp", since=hub.connections.get("mp").created_at)
    assert again.requests > 20
    assert members("Gold") == []
    assert members("Gold (mp)") == ["b", "c"]
    assert members("VIPs") == []
    pages = hub.inbound.source("mp").pages
    assert pages["late"] >= 2
    assert pages["repeated"] >= 6
    assert pages["members refused"] == 1
