"""What is in a hub's home is for its owner alone, whatever the shell lets others do with new files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.test_root import bare

EVENT = {"event": "A", "properties": {"distinct_id": "a", "time": 1767600000, "$insert_id": "1"}}


def open_to_others(home: Path) -> list[str]:
    """What others can get at below `home`, from within."""
    return [path.name for path in home.rglob("*") if path.lstat().st_mode & 0o077 and not path.is_symlink()]


def test_everything_that_commands_write_is_private_in_a_home_that_is_not(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    before = os.umask(0o022)
    try:
        assert bare("init", HUB_HOME=str(home)).returncode == 0
        (tmp_path / "events.jsonl").write_text(json.dumps(EVENT))
        assert bare("event", "import", str(tmp_path / "events.jsonl"), HUB_HOME=str(home)).returncode == 0
        assert bare("status", HUB_HOME=str(home)).returncode == 0
    finally:
        os.umask(before)

    assert (home / "lake" / "events").exists()
    assert open_to_others(home) == []
    assert home.stat().st_mode & 0o777 == 0o755


@pytest.mark.embedded
def test_what_an_older_hub_let_others_read_is_told_by_doctor_and_mended_by_init(cli, home):
    home.chmod(0o755)
    for path in (home / "hub.db", home / "lake", home / "lake" / "events"):
        path.chmod(0o755)

    told = cli("doctor")
    mended = cli("init")

    assert told.returncode == 1
    assert "BAD  privacy: others can read hub.db, lake" in told.stdout
    assert mended.returncode == cli("doctor").returncode == 0
    assert open_to_others(home) == []
