"""Everything in docs/ingestion.md that can be run works as written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hub.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "ingestion.md").read_text()


@pytest.mark.skipif(not shutil.which("curl"), reason="the page uses curl")
def test_the_examples_work_word_for_word(served, project, token):
    script = re.search(r"<!-- run: .*? -->\n```sh\n(.*?)```", PAGE, re.DOTALL)[1]

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8420", served.url)],
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    answers = [json.loads(found) for found in re.findall(r"\{[^{}]*\}", done.stdout.split('{"ok"')[0])]
    imported = {"code": 200, "num_records_imported": 1, "status": "OK"}
    assert answers == [{"status": 1, "error": None}, imported, imported, {"status": 1, "error": None}]
    assert '{"ok":true' in done.stdout
    status = project.status()
    assert (status.events, status.profiles) == (3, 1)


def test_every_setting_of_the_server_is_on_the_page():
    settings = [f"HUB_{name.upper()}" for name in Settings.model_fields if name.startswith("server_")]

    assert [name for name in settings if f"`{name}" not in PAGE] == []
