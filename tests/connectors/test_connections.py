"""Connections: checked before they are kept, secrets never shown; against a real sandbox over HTTP."""

from __future__ import annotations

import json

import pytest

from hub.errors import (
    AddressRefused,
    AlreadyExists,
    CredentialRefused,
    NotFound,
    PartnerUnavailable,
    UsageError,
)

WRONG_KEY = "0123456789abcdef0123456789abcdef-us6"


async def test_a_connection_that_works_is_kept_with_whose_account_it_is(hub, partner):
    made = await hub.connections.add("mailchimp", "news", partner.settings)

    assert (made.state, made.label) == ("connected", "Mailchimp")
    assert made.account
    assert [each.name for each in hub.connections.list()] == ["news"]


async def test_the_only_audience_of_an_account_is_chosen_by_itself(hub, partner):
    settings = {name: value for name, value in partner.settings.items() if name != "audience"}

    made = await hub.connections.add("mailchimp", "news", settings)

    assert made.settings["audience"] == "a6b5da1054"


async def test_with_several_audiences_the_choice_is_the_operators(hub, partner):
    partner.admin.post("/lists", {"name": "Second"})
    settings = {name: value for name, value in partner.settings.items() if name != "audience"}

    with pytest.raises(UsageError, match="a6b5da1054") as caught:
        await hub.connections.add("mailchimp", "news", settings)

    assert "--set audience=" in caught.value.hint
    assert len(await hub.connections.options("mailchimp", settings, "audience")) == 2


async def test_a_wrong_key_keeps_nothing(hub, partner):
    with pytest.raises(CredentialRefused):
        await hub.connections.add("mailchimp", "news", {**partner.settings, "api_key": WRONG_KEY})

    assert hub.connections.list() == []


async def test_a_partner_that_is_away_keeps_nothing(hub, home):
    file = home / "sandbox" / "mailchimp" / "running.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"url": "http://127.0.0.1:9"}')

    with pytest.raises(PartnerUnavailable, match="cannot be reached"):
        await hub.connections.add(
            "mailchimp", "news", {"api_key": WRONG_KEY, "base_url": "http://127.0.0.1:9/3.0", "audience": "a"}
        )

    assert hub.connections.list() == []


async def test_an_address_on_the_hubs_own_network_is_refused(hub):
    with pytest.raises(AddressRefused):
        await hub.connections.add(
            "mailchimp", "news", {"api_key": WRONG_KEY, "base_url": "http://127.0.0.1:9/3.0", "audience": "a"}
        )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"api_key": "0123456789abcdef0123456789abcdef"}, "data centre"),
        ({}, "api_key: it is missing"),
        ({"api_key": WRONG_KEY, "create_contacts": "perhaps"}, "create_contacts"),
        ({"api_key": WRONG_KEY, "new_contact_status": "happy"}, "new_contact_status"),
        ({"api_key": WRONG_KEY, "apikey": "x"}, "no setting 'apikey'"),
    ],
)
async def test_each_wrong_setting_is_named_and_no_secret_is_told(hub, values, said):
    with pytest.raises(UsageError, match=said) as caught:
        await hub.connections.add("mailchimp", "news", values)

    assert "0123456789abcdef" not in caught.value.message + caught.value.hint


async def test_names_are_unique_and_unknown_ones_are_answered_with_the_nearest(hub, partner):
    await hub.connections.add("mailchimp", "news", partner.settings)

    with pytest.raises(AlreadyExists):
        await hub.connections.add("mailchimp", "news", partner.settings)
    with pytest.raises(NotFound) as caught:
        hub.connections.get("newz")
    assert "news" in caught.value.hint


@pytest.mark.embedded
async def test_the_secret_is_nowhere_in_the_database_in_the_clear(hub, partner, home):
    await hub.connections.add("mailchimp", "news", partner.settings)
    secret = partner.settings["api_key"].split("-")[0].encode()

    files = [*home.glob("hub.db*")]
    assert files
    assert not any(secret in file.read_bytes() for file in files)


async def test_a_check_tells_that_the_key_was_revoked_and_an_edit_mends_it(hub, partner):
    await hub.connections.add("mailchimp", "news", partner.settings)
    partner.admin.fault(kind="status", status=401, method="GET", path="/3.0")

    assert (await hub.connections.check("news")).state == "refused"

    partner.admin.clear_faults()
    mended = await hub.connections.edit("news", {"api_key": partner.settings["api_key"]})
    assert mended.state == "connected"


async def test_a_failed_edit_changes_nothing(hub, partner):
    await hub.connections.add("mailchimp", "news", partner.settings)

    with pytest.raises(CredentialRefused):
        await hub.connections.edit("news", {"api_key": WRONG_KEY})

    assert (await hub.connections.check("news")).state == "connected"


def test_the_command_line_connects_checks_and_lists(cli, partner):
    given = [f"--set={name}={value}" for name, value in partner.settings.items()]

    added = cli("connection", "add", "mailchimp", "news", *given)
    listed = cli("connection", "list", "--json")
    shown = cli("connection", "show", "news")

    assert added.returncode == 0
    [found] = json.loads(listed.stdout)
    assert (found["state"], found["match"]) == ("connected", ["$email"])
    assert added.stderr == f"Note: {found['warnings'][0]}\n"  # the project has simplified identity
    assert found["warnings"][0].endswith("This project has simplified identity.")
    assert cli("connection", "check", "news").returncode == 0
    everything = added.stdout + listed.stdout + shown.stdout
    assert partner.settings["api_key"] not in everything
    assert "(kept secret)" in shown.stdout


def test_the_environment_may_hold_the_secret(cli, partner):
    added = cli(
        "connection",
        "add",
        "mailchimp",
        "news",
        HUB_MAILCHIMP_API_KEY=partner.settings["api_key"],
        HUB_MAILCHIMP_BASE_URL=partner.settings["base_url"],
    )

    assert added.returncode == 0, added.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "mailchip", "news"), 2, "Did you mean mailchimp?"),
        (("add", "mailchimp", "news"), 2, "api_key: it is missing"),
        (
            ("add", "mailchimp", "news", "--set", f"api_key={WRONG_KEY}", "--set=base_url=http://10.0.0.1"),
            2,
            "10.0.0.1",
        ),
        (("add", "mailchimp", "news", "--set", "nonsense"), 2, "--set wants NAME=VALUE"),
        (("check", "nobody"), 2, "no connection 'nobody'"),
        (("remove", "nobody"), 2, "no connection 'nobody'"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_two(cli, arguments, code, said):
    done = cli("connection", *arguments)

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_key_on_the_command_line_is_exit_code_one(cli, partner):
    done = cli(
        "connection",
        "add",
        "mailchimp",
        "news",
        f"--set=api_key={WRONG_KEY}",
        f"--set=base_url={partner.settings['base_url']}",
    )

    assert done.returncode == 1
    assert "API key" in done.stderr
