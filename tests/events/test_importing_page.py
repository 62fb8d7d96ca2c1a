"""Every example of the page on importing works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from backports import zstd

from hub.lake.typed import properties_of

PAGE = (Path(__file__).parents[2] / "docs" / "importing.md").read_text()
FILES = dict(re.findall(r"<!-- file: (.*?) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"<!-- run -->\n```sh\n(.*?)```", PAGE, re.DOTALL)


def test_every_example_of_the_page_works_word_for_word(home, tmp_path, lines, in_the_lake):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "more.jsonl.zst").write_bytes(zstd.compress(b"\n".join(lines(3))))
    (tmp_path / "strict.jsonl").write_bytes(b"\n".join(lines(3, 3)))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for script in COMMANDS:
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "HUB_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            check=True,
        )
    rows = {row["insert_id"]: row for row in in_the_lake()}

    assert set(rows) == {f"o-{n}" for n in range(1, 7)} | {f"i{n}" for n in range(6)}
    assert properties_of(rows["o-5"]) == {"amount": 49.9, "gift": True, "note": "Leave it\nat the door"}
    assert rows["o-5"]["time"].isoformat() == "2026-10-03T14:30:00+00:00"


def test_every_option_for_columns_is_on_the_page(cli):
    told = cli("event", "import", "--help", COLUMNS="200").stdout
    options = set(re.findall(r"--[a-z-]+", told)) - {"--help", "--json"}

    assert options
    assert {option for option in options if f"`{option}" not in PAGE} == set()
