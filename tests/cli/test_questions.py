"""The questions of `hub connection add`, on a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
import time

import pytest

from tests.conftest import HUB

PATIENCE = 60.0
"""Seconds."""


class Terminal:
    """`hub` on a terminal: what is typed, and what is shown."""

    def __init__(self, home, *arguments: str) -> None:
        self.shown = ""
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.execve(HUB, [HUB, *arguments], {**os.environ, "HUB_HOME": str(home), "NO_COLOR": "1"})

    def wait_for(self, text: str) -> None:
        before = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < before, f"{text!r} did not come: {self.shown}"
            if select.select([self._file], [], [], 0.1)[0]:
                self.shown += os.read(self._file, 4096).decode()

    def wait_for_secret(self) -> None:
        """Until what is typed is not shown."""
        before = time.monotonic() + PATIENCE
        while termios.tcgetattr(self._file)[3] & termios.ECHO:
            assert time.monotonic() < before, f"the terminal still shows what is typed: {self.shown}"

    def types(self, text: str) -> None:
        os.write(self._file, text.encode())

    def exit_code(self) -> int:
        before = time.monotonic() + PATIENCE
        while time.monotonic() < before:
            if select.select([self._file], [], [], 0.05)[0]:
                try:
                    self.shown += os.read(self._file, 4096).decode()
                except OSError:  # the other end is closed
                    return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError(f"it did not end: {self.shown}")


@pytest.fixture
def terminal(home):
    return lambda *arguments: Terminal(home, *arguments)


def test_a_secret_is_asked_for_and_not_shown(terminal, partner, cli):
    asked = terminal("connection", "add", "mailchimp", "news", f"--set=base_url={partner.settings['base_url']}")

    asked.wait_for("-us6.)")
    asked.wait_for_secret()
    asked.types(partner.settings["api_key"] + "\n")

    assert asked.exit_code() == 0
    assert partner.settings["api_key"] not in asked.shown
    assert "news" in cli("connection", "list").stdout


def test_control_c_ends_a_question_at_once(terminal, cli):
    asked = terminal("connection", "add", "mailchimp", "news")

    asked.wait_for("-us6.)")
    asked.wait_for_secret()
    asked.types("\x03")

    assert asked.exit_code() != 0
    assert "Traceback" not in asked.shown
    assert cli("connection", "list", "--json").stdout == "[]\n"
