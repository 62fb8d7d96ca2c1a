"""The demo from end to end, on a small shop: with the real lake, the real sandbox in a process of its own."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hub.clock import now
from hub.demo.audience import PartnerSide
from hub.demo.checks import DemoFailed
from hub.demo.home import claimed, own_settings
from hub.demo.shop import open_shop
from hub.demo.story import PURCHASES, QUIET, tell_story
from hub.demo.telling import Teller

HUB = str(Path(sys.executable).with_name("hub"))
PEOPLE = "400"
DEADLINE = 60.0


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A demo as a user runs it, whose own hub is elsewhere: its folder, its lines, its figures."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {**os.environ, "HUB_HOME": str(folder / "own"), "HUB_LAKE": str(folder / "own-lake")}
    done = subprocess.run(
        [HUB, "demo", "--people", PEOPLE], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    return folder, lines, json.loads(lines[-1])


def test_the_last_line_has_all_figures_and_they_add_up(played):
    _, _, figures = played
    assert figures["people"] == int(PEOPLE)
    assert figures["cohort"] == figures["qualified"]
    assert figures["qualified"] == sum(figures["skipped"].values()) + figures["added"] + figures["rejected"]
    assert figures["added"] == figures["removed"] + figures["unchanged"]
    assert 0 < figures["removed"] <= figures["came_back"] < figures["cohort"] / 10
    assert figures["writes_third_run"] == 0
    assert 0 < figures["writes_first_run"] + figures["writes_second_run"] < figures["sandbox_requests"]
    assert figures["message_events"]["Mailchimp - Sent To"] <= figures["unchanged"]
    assert figures["mtu_before"] == figures["mtu_after"] < figures["mtu_without_exemption"]
    assert 0 < sum(figures["seconds_by_chapter"].values()) <= figures["seconds"] + 0.1


def test_the_story_is_told_in_chapters_without_a_terminal(played):
    _, lines, figures = played
    assert [line[:2] for line in lines if line[:1].isdigit()] == [f"{number}." for number in range(1, 10)]
    assert not any("\x1b" in line for line in lines)
    assert any(f"{figures['added']:,}  have the tag" in line for line in lines)


def test_the_demo_stays_in_its_own_folder(played):
    folder, _, _ = played
    assert [each.name for each in folder.iterdir()] == [".demo"]


def test_a_home_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = subprocess.run([HUB, "demo", "--home", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert "not a demo's home" in refused.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_partner_who_holds_other_people_than_the_cohort_fails_the_demo(tmp_path, monkeypatch):
    put = PartnerSide.put_contacts
    left_out = []

    def put_all_but_one(side, subscribers):
        lapsed, listed = lapsed_customers(), list(subscribers)
        left_out.append(next(each for each in listed if int(each.email.split("@")[0].split(".")[1]) in lapsed))
        put(side, [each for each in listed if each not in left_out])

    monkeypatch.setattr(PartnerSide, "put_contacts", put_all_but_one)
    with claimed(tmp_path / "home") as home, own_settings(home), pytest.raises(DemoFailed) as failure:
        tell_story(home, Teller(), threading.Event(), people=int(PEOPLE))
    assert left_out[0].email in failure.value.message
    assert "1 are missing" in failure.value.message
    assert not (tmp_path / "home" / "figures.json").exists()


def lapsed_customers():
    """The numbers of those who are to be won back in a demo of this size."""
    lapsed = open_shop(now(), people=int(PEOPLE)).lapsed_buyers(purchases=PURCHASES, quiet=QUIET)
    return {int(each.removeprefix("c")) for each in lapsed if each.startswith("c")}


def test_the_terminal_ui_opens_on_the_demo_with_the_sandbox_running_and_ends_with_it(played):
    folder, _, _ = played
    note = folder / ".demo" / "sandbox" / "mailchimp" / "running.json"
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    terminal = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    demo = subprocess.Popen([HUB, "demo", "--tui"], cwd=folder, env=environment, start_new_session=True, **terminal)
    os.close(theirs)
    try:
        read_until(ours, b"\x1b[?1049h")
        sandbox = json.loads(note.read_text())["url"]
        assert answers(sandbox)
        read_until(ours, b"Mailchimp")
        os.write(ours, b"q")
        read_until(ours, b"\x1b[?1049l")
        assert demo.wait(DEADLINE) == 0
    finally:
        demo.kill()
        os.close(ours)
    assert not answers(sandbox)
    assert not note.exists()


def read_until(terminal, wanted):
    """Read what a screen shows until `wanted` is among it."""
    seen = b""
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], DEADLINE)
        assert ready, seen[-500:]
        seen = seen[-100:] + os.read(terminal, 65_536)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_demo_that_is_stopped_leaves_no_sandbox_behind(tmp_path, number, code):
    home = tmp_path / "home"
    demo = subprocess.Popen(
        [HUB, "demo", "--home", str(home), "--people", "4000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        note = home / "sandbox" / "mailchimp" / "running.json"
        wait_until(note.exists)
        sandbox = json.loads(note.read_text())["url"]
        assert answers(sandbox)
        demo.send_signal(number)
        _, said = demo.communicate(timeout=DEADLINE)
    finally:
        demo.kill()
    assert demo.returncode == code
    assert "Traceback" not in said
    wait_until(lambda: not answers(sandbox))


def wait_until(holds):
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def answers(url):
    """Whether something listens there."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
