"""An event loop that a plugin blocks ends its process, with a sentence; one that only has much to do does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from hub.running.standstill import guarded_from_standstill
from hub.running.telling import fault

_BLOCKS = """
import asyncio, sys, time
from hub.running.standstill import guarded_from_standstill

async def of_a_plugin():
    time.sleep(60)

say = lambda text: print(text, file=sys.stderr)
asyncio.run(guarded_from_standstill(of_a_plugin(), say=say, seconds=0.3))
"""


def test_a_process_whose_event_loop_stands_still_says_where_and_ends():
    done = subprocess.run([sys.executable, "-c", _BLOCKS], capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 1
    assert "stood still" in done.stderr and "line 6 (of_a_plugin)" in done.stderr


async def test_what_moves_comes_to_its_end_undisturbed():
    async def moves() -> int:
        for _ in range(200):
            await asyncio.sleep(0.001)
        return 7

    told: list[str] = []
    assert await guarded_from_standstill(moves(), say=told.append, seconds=60) == 7
    assert not told


def test_of_faults_that_come_together_the_first_is_named():
    error = fault(ExceptionGroup("of a task group", [ExceptionGroup("inner", [ValueError("odd")]), KeyError("b")]))

    assert error.message == "A fault of the hub: ValueError: odd"
