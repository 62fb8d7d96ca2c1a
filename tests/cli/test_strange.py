"""Strange surroundings: closed streams, missing drivers, names that are no text, homes that cannot be. No traceback."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_root import bare
from tests.conftest import HUB

LINE = json.dumps({"event": "A", "properties": {"distinct_id": "a", "time": 1767600000, "$insert_id": "1"}})


def by_shell(line: str, home) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `hub` is the command and HUB_HOME the test's home."""
    return subprocess.run(
        ["sh", "-c", line.replace("hub ", f"{HUB} ", 1)],
        env={**os.environ, "HUB_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_closed_standard_input_is_a_sentence(home):
    done = by_shell("hub event import - <&-", home)

    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "Error: Standard input is closed.")


def test_closed_outputs_harm_neither_the_command_nor_the_database(home, cli, tmp_path):
    (tmp_path / "a.jsonl").write_text(LINE)

    done = by_shell(f"hub event import {tmp_path / 'a.jsonl'} >&- 2>&-", home)

    assert done.returncode == 0
    assert json.loads(cli("status", "--json").stdout)["events"] == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql+nosuchdriver://u@127.0.0.1:1/x",
            "The driver of HUB_DATABASE_URL (postgresql+nosuchdriver) is not",
        ),
        ("mysql://u@127.0.0.1/x", "HUB_DATABASE_URL names 'mysql': the control plane is SQLite or PostgreSQL."),
        ("nonsense", "HUB_DATABASE_URL is not a database URL."),
    ],
)
def test_a_control_plane_that_cannot_be_is_a_sentence(cli, url, said):
    done = cli("status", HUB_DATABASE_URL=url)

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {said}")
    assert "Traceback" not in done.stderr


def test_a_file_whose_name_is_no_text_is_imported_and_a_name_that_is_none_is_refused(home, tmp_path):
    odd = os.fsencode(tmp_path) + b"/b\xffd.jsonl"
    Path(os.fsdecode(odd)).write_text(LINE)

    environment = {**os.environ, "HUB_HOME": str(home)}
    imported = subprocess.run([HUB, b"event", b"import", odd], env=environment, capture_output=True, check=False)
    shown = subprocess.run([HUB, b"sync", b"show", b"b\xffd"], env=environment, capture_output=True, check=False)

    assert imported.returncode == 0, imported.stderr
    assert b"b\\xffd.jsonl: 1 event" in imported.stdout
    assert (shown.returncode, b"is not UTF-8" in shown.stderr) == (2, True)


@pytest.mark.parametrize("home", ["~nobody-of-that-name/x", "/proc/nothing"])
def test_a_home_that_cannot_be_is_a_sentence(home):
    done = bare("init", HUB_HOME=home)

    assert done.returncode == 2
    assert done.stderr.startswith("Error: The home")


def test_settings_that_cannot_be_read_are_a_sentence(cli, tmp_path):
    (tmp_path / ".env").write_bytes(b"\xff\xfe")  # the tests run in this folder

    done = cli("status")

    assert done.returncode == 2
    assert done.stderr.startswith("Error: A settings file cannot be read")


def test_a_lake_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "lake").write_text("")

    done = bare("init", HUB_HOME=str(tmp_path / "home"), HUB_LAKE=str(tmp_path / "lake"))

    assert done.returncode == 1
    assert done.stderr.startswith("Error: The table events of the lake cannot be written")
