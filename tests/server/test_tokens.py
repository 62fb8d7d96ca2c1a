"""Tokens: made once, kept as hashes, revoked within seconds."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from hub.access import Access
from hub.app import Hub
from hub.errors import AlreadyExists, NotFound, UsageError
from hub.store.tables import tokens
from hub.tokens import Kind

MIXPANELS = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def other(hub, home) -> Hub:
    """A second project."""
    hub.projects.add("other")
    return Hub.open(home, "other")


@pytest.fixture
def access(hub) -> Access:
    """What a server knows."""
    return Access(hub.workspace.store)


def test_only_the_hash_of_a_token_is_kept(hub, home):
    _, text = hub.tokens.add()

    with hub.workspace.store.reading() as connection:
        row = connection.execute(select(tokens)).one()
    assert text not in map(str, row)
    assert all(text.encode() not in path.read_bytes() for path in home.glob("hub.db*"))


def test_a_token_of_mixpanel_can_be_kept_and_belongs_to_one_project(hub, other, access):
    hub.tokens.add(value=MIXPANELS)

    with pytest.raises(AlreadyExists, match="project default"):
        other.tokens.add(value=MIXPANELS)
    access.refresh()
    assert access.project_of(MIXPANELS) == hub.workspace.project


def test_a_revoked_token_works_no_longer_and_may_go_to_another_project(hub, other, access):
    hub.tokens.add(value=MIXPANELS)
    hub.tokens.revoke(MIXPANELS)
    access.refresh()
    assert access.project_of(MIXPANELS) is None

    other.tokens.add(value=MIXPANELS)

    access.refresh()
    assert access.project_of(MIXPANELS) == other.workspace.project
    assert hub.tokens.list(revoked=True) == []


def test_tokens_are_seen_and_revoked_from_their_own_project_alone(hub, other):
    made, text = hub.tokens.add(name="shop")

    assert other.tokens.list() == []
    for which in (str(made.id), "shop", text):
        with pytest.raises(NotFound):
            other.tokens.revoke(which)
    assert [each.name for each in hub.tokens.list()] == ["shop"]


def test_a_login_is_a_secret_a_project_token_or_a_service_account(hub, access):
    token, secret, account = (hub.tokens.add(kind, name="loader")[1] for kind in Kind)
    access.refresh()

    project = hub.workspace.project
    assert access.login(token, "") == access.login(secret, "") == access.login("loader", account) == project
    for wrong in ((account, ""), ("loader", secret), ("other", account), ("", token), ("", ""), ("loader", "")):
        assert access.login(*wrong) is None
    assert access.project_of(secret) is access.project_of(account) is None  # an event may hold no secret


def test_service_accounts_of_all_projects_share_their_names(hub, other):
    hub.tokens.add(Kind.SERVICE, name="loader")

    with pytest.raises(AlreadyExists, match="project default"):
        other.tokens.add(Kind.SERVICE, name="loader")


def test_what_cannot_be_a_token_is_refused_and_not_repeated(hub):
    for value in ("short", "with blanks in between", "naïve-naïve-naïve-naïve", "x" * 201):
        with pytest.raises(UsageError) as error:
            hub.tokens.add(value=value)
        assert value not in str(error.value)


def test_what_cannot_be_a_user_name_is_refused(hub):
    for name in ("", "a:b", " a", "a\nb"):
        with pytest.raises(UsageError):
            hub.tokens.add(Kind.SERVICE, name=name)


def test_the_commands_show_a_token_once(cli):
    made = json.loads(cli("token", "add", "--service-account", "loader", "--json").stdout)
    brought = cli("token", "add", "--secret", "--value", "-", stdin=f"{MIXPANELS}\n")
    listed = cli("token", "list", "--json").stdout
    revoked = cli("token", "revoke", "loader")

    assert (made["kind"], made["name"], len(made["token"])) == ("service", "loader", 32)
    assert brought.stdout == f"{MIXPANELS}\n"
    assert [each["hint"] for each in json.loads(listed)] == [made["token"][-4:], "cdef"]
    assert made["token"] not in listed
    assert f"ending in {made['token'][-4:]}, is revoked" in revoked.stdout
