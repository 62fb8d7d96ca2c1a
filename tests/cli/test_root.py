"""`hub` itself: init, status, doctor, help, and how errors are told."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import HUB


def bare(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `hub` without a hub."""
    return subprocess.run(
        [HUB, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def test_init_makes_a_hub_and_never_asks(tmp_path):
    home = tmp_path / "new"

    made = bare("--home", str(home), "init", "--timezone", "Europe/Oslo")
    again = bare("--home", str(home), "init", "--json")

    assert made.returncode == 0
    assert json.loads(again.stdout) == {"home": str(home), "new": False}
    status = json.loads(bare("--home", str(home), "status", "--json").stdout)
    assert (status["timezone"], status["identity"], status["events"]) == ("Europe/Oslo", "simplified", 0)


def test_the_home_may_come_from_the_environment(tmp_path):
    assert bare("init", HUB_HOME=str(tmp_path / "there")).returncode == 0
    assert (tmp_path / "there" / "hub.db").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("init", "--timezone", "Europe/Olso"), "Did you mean Europe/Oslo?"),
        (("init", "--identity", "none"), "Choose simplified or original."),
    ],
)
def test_a_wrong_choice_makes_nothing(tmp_path, arguments, said):
    done = bare(*arguments, HUB_HOME=str(tmp_path / "new"))

    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "command", [("status",), ("cohort", "list"), ("sync", "list"), ("run-due",), ("mtu",), ("serve",), ("token", "add")]
)
def test_without_a_hub_every_command_says_how_to_make_one(tmp_path, command):
    done = bare(*command, HUB_HOME=str(tmp_path / "nothing"))

    assert done.returncode == 2
    assert "hub init" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_works_before_there_is_a_hub_and_says_what_to_do(tmp_path):
    done = bare("doctor", HUB_HOME=str(tmp_path / "nothing"))

    assert done.returncode == 1
    assert "hub init" in done.stdout


def test_doctor_finds_nothing_wrong_with_a_new_hub(cli):
    done = cli("doctor", "--json")

    assert done.returncode == 0
    assert {finding["subject"] for finding in json.loads(done.stdout)} >= {"home", "database", "lake", "key"}


def test_doctor_tells_that_others_can_read_the_key(cli, home):
    (home / "secret.key").chmod(0o644)

    done = cli("doctor")

    assert done.returncode == 1
    assert "chmod 600" in done.stdout


def test_status_names_the_next_step(cli):
    assert "hub event import" in cli("status").stdout


@pytest.mark.parametrize(
    "noun", ["cohort", "connection", "event", "inbound", "plugin", "profile", "project", "sync", "token"]
)
def test_every_noun_has_help(cli, noun):
    helped = cli(noun, "--help")

    assert helped.returncode == 0
    assert "Commands" in helped.stdout


def test_an_unknown_command_is_exit_code_two(cli):
    done = cli("nonsense")

    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_a_setting_that_cannot_be_read_is_named(cli):
    done = cli("status", HUB_THREADS="many")

    assert done.returncode == 2
    assert "threads" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_amount_of_memory_that_is_none_is_named(cli):
    done = cli("status", HUB_MEMORY_LIMIT="plenty")

    assert done.returncode == 2
    assert "memory_limit is wrong: 'plenty' is no amount of memory" in done.stderr


def test_a_lake_that_cannot_be_written_is_named(cli, home):
    done = cli("status", HUB_LAKE=str(home / "hub.db" / "lake"))

    assert done.returncode == 1
    assert "Error: The lake in" in done.stderr


def test_a_hub_toml_is_read_and_the_environment_wins(cli, home):
    with (home / "hub.toml").open("a") as file:
        file.write('project = "nowhere"\n')

    assert "no project 'nowhere'" in cli("status").stderr
    assert cli("status", HUB_PROJECT="default").returncode == 0


def test_a_broken_hub_toml_is_named(cli, home):
    (home / "hub.toml").write_text("project = = =")

    done = cli("status")

    assert done.returncode == 2
    assert "hub.toml" in done.stderr


def test_the_key_of_another_hub_opens_nothing_and_says_so(cli, partner):
    from cryptography.fernet import Fernet

    given = [f"--set={name}={value}" for name, value in partner.settings.items()]
    cli("connection", "add", "mailchimp", "news", *given)

    done = cli("connection", "check", "news", HUB_KEY=Fernet.generate_key().decode())

    assert done.returncode == 1
    assert "HUB_KEY" in done.stderr


def test_init_says_that_a_hub_keeps_its_time_zone_and_its_identity(cli):
    asked = cli("init", "--timezone", "Europe/Oslo", "--identity", "original")
    same = cli("init", "--timezone", "UTC", "--identity", "simplified")

    assert asked.returncode == same.returncode == 0
    assert "time zone of the project default stays UTC, not Europe/Oslo" in asked.stderr
    assert "identity of the project default stays simplified, not original" in asked.stderr
    assert same.stderr == ""


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    done = bare("init", HUB_HOME=str(tmp_path / "file" / "home"))

    assert done.returncode == 2
    assert "Error: The home" in done.stderr


def test_init_and_doctor_tell_that_the_database_is_none(tmp_path):
    (tmp_path / "hub.db").write_bytes(b"nothing of the kind" * 1000)

    made, looked = bare("init", HUB_HOME=str(tmp_path)), bare("doctor", HUB_HOME=str(tmp_path))

    assert made.returncode == looked.returncode == 1
    assert "Error: The database" in made.stderr
    assert "Put back a copy" in looked.stdout
    assert "Run `hub doctor`" not in looked.stdout


def test_doctor_advises_only_where_something_is_wrong(cli):
    assert {finding["advice"] for finding in json.loads(cli("doctor", "--json").stdout) if finding["ok"]} == {""}


def test_an_output_without_room_is_no_traceback(home):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [HUB, "cohort", "list", "--json"],
            env={**os.environ, "HUB_HOME": str(home)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == "Error: The output cannot be written: the disk is full.\n"
