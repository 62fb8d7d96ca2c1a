"""Imports in processes of their own, killed or asked to stop at any instant."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hub.events.importing import Sizes, import_events

SIZES = Sizes(chunk_lines=150, block_bytes=4000, alone_bytes=0)
PROGRAM = """
import sys
from pathlib import Path
from hub.app import Hub
from hub.cli.context import interruptible
from hub.errors import Interrupted
from hub.events.importing import Sizes, import_events

workspace = Hub.open(Path(sys.argv[1])).workspace
with interruptible() as stop:
    try:
        print(import_events(workspace, sys.argv[2], stop=stop, progress=lambda *counts: print("block", flush=True),
                            sizes=Sizes(chunk_lines=150, block_bytes=4000, alone_bytes=0)).accepted)
    except Interrupted as error:
        print(error.message)
        sys.exit(error.exit_code)
"""


def start(home, path):
    command = [sys.executable, "-c", PROGRAM, str(home), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_blocks(process, count):
    """Until so many blocks were decoded, or the process has ended."""
    for _ in range(count):
        if not process.stdout.readline():
            return


def children_of(pid):
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_killed_at_random_instants_and_gone_on_with_every_row_is_there_once(home, workspace, lines, write, in_the_lake):
    path = write("a.gz", [*lines(2000), b"bad", *lines(2000, 2000)])
    chance = random.Random(7)
    for _ in range(6):
        process = start(home, path)
        wait_for_blocks(process, chance.randrange(1, 60))
        time.sleep(chance.random() * 0.05)  # an instant of no meaning
        process.kill()
        process.communicate()
    report = import_events(workspace, path, sizes=SIZES)

    assert (report.lines, report.accepted, report.rejected) == (4001, 4000, 1)
    assert sorted(int(row["insert_id"][1:]) for row in in_the_lake()) == list(range(4000))


def test_the_helpers_end_when_their_parent_is_killed(home, lines, write):
    process = start(home, write("a", lines(20_000)))
    wait_for_blocks(process, 1)
    helpers = children_of(process.pid)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(map(alive, helpers)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert helpers
    assert not any(map(alive, helpers))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_after_saving(home, workspace, lines, write, in_the_lake, number, code):
    path = write("a", lines(20_000))
    process = start(home, path)
    wait_for_blocks(process, 20)
    process.send_signal(number)
    out, _ = process.communicate()
    some = len(in_the_lake())
    report = import_events(workspace, path, sizes=Sizes(chunk_lines=20_000))

    assert process.returncode == code
    assert f"{some:,} events of it are in, up to line {some:,}" in out or "nothing of it is in" in out
    assert some < 20_000
    assert report.accepted == len(in_the_lake()) == 20_000
