"""The tutorial of plugins, in short: what it shows is what `hub plugin new` makes, and what it changes works.

`make tutorial` follows it word for word, in a clean environment.
"""

from __future__ import annotations

import re
import subprocess

from checks.tutorial import BLOCK, PAGE, script
from hub.testing.checking import check_plugins
from hub.testing.conformance import Verdict
from hub.testing.starting import start_plugin

EXCERPT = re.compile(r"<!-- from: (\S+) -->\n```python\n(.*?)```", re.DOTALL)


def test_what_the_tutorial_shows_is_in_the_files_that_are_made(tmp_path):
    folder = start_plugin("acme", tmp_path).folder
    shown = EXCERPT.findall(PAGE.read_text())

    assert [text for file, text in shown if text not in (folder / file).read_text()] == []
    assert len(shown) == 6


def test_the_tutorial_ends_with_a_working_connector_in_under_100_lines(tmp_path):
    folder = start_plugin("acme", tmp_path).folder
    [patch] = [block for kind, block in BLOCK.findall(PAGE.read_text()) if kind == "patch"]

    subprocess.run(["bash", "-euc", patch], cwd=folder, check=True)
    [examined] = check_plugins(str(folder))

    verdicts = {found.check: found.verdict for _, found in examined.findings}
    assert examined.ok
    assert verdicts["audience-closed"] is Verdict.PASSED
    assert len((folder / "hub_acme" / "connector.py").read_text().splitlines()) < 100


def test_every_block_of_the_tutorial_is_run_and_is_a_script():
    blocks = PAGE.read_text().count("```sh\n")

    assert len(BLOCK.findall(PAGE.read_text())) == blocks
    assert subprocess.run(["bash", "-n", "-c", script()], check=False).returncode == 0
