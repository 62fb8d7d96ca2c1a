"""Everything in the README works as written."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"<!-- walkthrough: .*? -->\n```sh\n(.*?)```", README, re.DOTALL)


def shell(script: str, folder: Path) -> str:
    """Run a block of the README in `folder`, as a newcomer would, stopping at the first failure."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HUB_HOME": str(folder / "my-hub")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def sandbox_port(tmp_path):
    """`hub sandbox mailchimp` in a second terminal, on a port that is free here."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    environment = {**os.environ, "HUB_HOME": str(tmp_path / "my-hub")}
    hub = Path(sys.executable).with_name("hub")
    process = subprocess.Popen([hub, "sandbox", "mailchimp", "--port", str(port)], env=environment)
    running = tmp_path / "my-hub" / "sandbox" / "mailchimp" / "running.json"
    deadline = time.monotonic() + 60
    while not running.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
    yield port
    process.terminate()
    process.wait(30)


def test_the_walkthrough_of_the_readme_works_word_for_word(tmp_path, sandbox_port):
    first, second = BLOCKS

    mine = shell(first, tmp_path)
    partner = shell(second.replace("8801", str(sandbox_port)), tmp_path)

    assert "1 person is in loyal" in mine
    assert "1 added" in partner


def test_every_file_that_the_documents_point_to_is_there():
    missing = [
        f"{page.name}: {target}"
        for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert missing == []


def test_every_make_target_that_the_readme_names_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`make ([a-z-]+)`", README)) <= targets


def test_every_command_and_every_table_of_the_code_has_its_place_in_the_documents():
    from hub.cli.root import NOUNS
    from hub.lake.tables import LAYOUTS

    commands = (ROOT / "docs" / "command-line.md").read_text()
    lake = (ROOT / "docs" / "lake.md").read_text()

    assert [noun for noun in NOUNS if f"hub {noun}" not in commands] == []
    assert [layout.name for layout in LAYOUTS if f"## {layout.name}" not in lake] == []


def test_the_definition_and_every_window_of_the_cohort_page_can_be_read():
    from hub.cohorts.reading import read_definition

    page = (ROOT / "docs" / "cohorts.md").read_text()
    definition = re.search(r"<!-- definition -->\n```yaml\n(.*?)```", page, re.DOTALL)[1]
    rows = re.search(r"<!-- windows -->\n(.*?)\n\n", page, re.DOTALL)[1].splitlines()[2:]
    windows = [spelt for row in rows for cell in row.split("|")[1:3] for spelt in re.findall(r"`(.+?)`", cell)]

    read_definition(definition, source="cohorts.md")
    for window in windows:
        read_definition(f"version: 1\ndid: Purchase\nwindow: {window}\n", source=window)
    assert len(windows) == 15
