"""Starting the terminal UI: what it says when it cannot, and what it leaves alone."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

START = "from pathlib import Path; import sys; from tui.app import run; run(Path(sys.argv[1]))"
LONGEST = 60.0


def test_without_a_terminal_it_names_the_commands_instead(home):
    ended = subprocess.run(
        [sys.executable, "-c", START, str(home)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert ended.stderr == (
        "The terminal UI needs a terminal. Without one, use the commands: hub status, hub connection list, "
        "hub sync list.\n"
    )


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)
        self.said = ""

    def until(self, text: str) -> None:
        """Read what the program writes until it has written `text`."""
        deadline = time.monotonic() + LONGEST
        while text not in self.said:
            assert time.monotonic() < deadline, f"never said {text!r}: {self.said[-2000:]!r}"
            self._read()

    def ended(self) -> int:
        """The exit code, once the program has ended; what it writes meanwhile is read."""
        deadline = time.monotonic() + LONGEST
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"does not end: {self.said[-2000:]!r}"
            self._read()
        return self.process.returncode

    def press(self, key: str) -> None:
        """Send a key."""
        os.write(self._master, key.encode())

    def close(self) -> None:
        """End the program, if it has not ended."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self) -> None:
        if select.select([self._master], [], [], 0.1)[0]:
            try:
                self.said += os.read(self._master, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                return


@pytest.fixture
def in_terminal():
    opened = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_a_folder_without_a_hub_is_named_in_one_sentence(in_terminal, tmp_path):
    terminal = in_terminal(str(tmp_path / "nothing"))

    assert terminal.ended() == 2
    assert "hub init" in terminal.said
    assert "Traceback" not in terminal.said


def test_it_runs_in_a_terminal_and_q_ends_it(in_terminal, home):
    terminal = in_terminal(str(home))
    terminal.until("No partner is connected yet")
    terminal.press("q")

    assert terminal.ended() == 0


def test_a_signal_gives_the_terminal_back(in_terminal, home):
    terminal = in_terminal(str(home))
    terminal.until("No partner is connected yet")
    terminal.process.terminate()

    assert terminal.ended() == 143
    assert "\x1b[?1049l" in terminal.said  # the alternate screen is left
