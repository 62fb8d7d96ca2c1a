"""`hub mtu` as a process: months, sources, the pairs in force, the plot, and what is refused."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from datetime import UTC, datetime

import pytest

from hub.cli.mtu import drawn
from hub.people.mtu import Mtu
from tests.conftest import HUB
from tests.lake_rows import EventRow, add_events


def _day(month: int) -> datetime:
    return datetime(2026, month, 15, tzinfo=UTC)


@pytest.fixture
def lived(workspace):
    """Two people in September, nobody in October; in November ann by product and acme, and bob by exempt events."""
    add_events(
        workspace,
        [
            *(EventRow(name, "Open", _day(9)) for name in ("ann", "bob")),
            EventRow("ann", "Open", _day(11)),
            EventRow("ann", "Acme Opened", _day(11), source="acme"),
            EventRow("bob", "$identify", _day(11)),
        ],
    )
    return workspace


NOVEMBER = {"month": "2026-11", "mtu": 1, "exempt_only": 1}


def test_one_month_is_an_object_and_months_are_a_list(lived, cli):
    one = cli("mtu", "--month", "2026-11", "--json").stdout
    by_source = cli("mtu", "--month", "2026-11", "--by", "source", "--json").stdout
    three = cli("mtu", "--month", "2026-11", "--months", "3", "--json").stdout
    list_of_one = cli("mtu", "--month", "2026-11", "--months", "1", "--json").stdout

    assert json.loads(one) == NOVEMBER
    assert json.loads(by_source) == {**NOVEMBER, "by_source": {"": 1, "acme": 1}}
    assert json.loads(list_of_one) == [NOVEMBER]
    assert json.loads(three) == [
        {"month": "2026-09", "mtu": 2, "exempt_only": 0},
        {"month": "2026-10", "mtu": 0, "exempt_only": 0},
        NOVEMBER,
    ]


def test_people_read_lines_by_month_and_are_told_that_sources_overlap(lived, cli):
    done = cli("mtu", "--month", "2026-11", "--months", "3", "--by", "source")

    assert done.stdout.splitlines() == [
        "month\ttracked\texempt only\t(product)\tacme",
        "2026-09\t2\t0\t2\t0",
        "2026-10\t0\t0\t0\t0",
        "2026-11\t1\t1\t1\t1",
    ]
    assert "counts under every source" in done.stderr


def test_one_month_by_source_is_a_sentence_and_its_sources(lived, cli):
    said = cli("mtu", "--month", "2026-11", "--by", "source").stdout.splitlines()

    assert said[0].startswith("2026-11: 1 monthly tracked users; 1 more")
    assert said[1:] == ["source\ttracked", "(product)\t1", "acme\t1"]


def test_settings_reach_the_count_and_the_list_and_warn(lived, cli):
    changed = {"HUB_MTU_EXEMPT_ADD": '["acme: Acme Opened", "Open"]', "HUB_MTU_EXEMPT_REMOVE": '["$identify", "Nope"]'}

    counted = cli("mtu", "--month", "2026-11", "--json", **changed)
    listed = cli("mtu", "--exempt", "--json", **changed)

    assert json.loads(counted.stdout) == {"month": "2026-11", "mtu": 1, "exempt_only": 1}
    pairs = {(pair["source"], pair["event"]): pair for pair in json.loads(listed.stdout)}
    assert pairs["acme", "Acme Opened"] == {"source": "acme", "event": "Acme Opened", "from": "setting", "page": ""}
    assert (None, "$identify") not in pairs
    assert pairs["mailchimp", "Mailchimp - Bounced"]["from"] == "connector"
    assert pairs["braze", "Email Send"]["page"] == "https://docs.mixpanel.com/docs/cohort-sync/integrations/braze"
    for done in (counted, listed):
        assert done.returncode == 0
        assert "HUB_MTU_EXEMPT_REMOVE names 'Nope'" in done.stderr


def test_people_read_who_says_that_an_event_is_exempt(cli):
    lines = cli("mtu", "--exempt", HUB_MTU_EXEMPT_ADD='["Cron Tick"]').stdout.splitlines()

    assert lines[0] == "source\tevent\tfrom"
    assert "(any)\tCron Tick\tsetting HUB_MTU_EXEMPT_ADD" in lines
    assert "(any)\t$merge\tpage https://docs.mixpanel.com/docs/pricing/legacy-mtu-billing" in lines
    assert any(line.startswith("mailchimp\tMailchimp - Sent To\tconnector https://") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--plot", "--json"), "Choose one"),
        (("--exempt", "--months", "2"), "counts nobody"),
        (("--exempt", "--by", "source"), "counts nobody"),
        (("--months", "0"), "--months"),
        (("--months", "121"), "--months"),
        (("--by", "event"), "--by"),
        (("--months", "2", "--month", "2026-00"), "'2026-00' is not a month"),
    ],
)
def test_wrong_usage_is_told(cli, arguments, said):
    done = cli("mtu", *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_told_with_its_entry(cli):
    done = cli("mtu", HUB_MTU_EXEMPT_ADD='["mailchimp: "]')

    assert done.returncode == 2
    assert "entry 1, 'mailchimp: ', names no event" in done.stderr
    assert "HUB_MTU_EXEMPT_ADD" in done.stderr


def test_without_a_terminal_the_plot_is_plain_text_of_eighty_columns(lived, cli):
    done = cli("mtu", "--month", "2026-11", "--months", "3", "--plot", COLUMNS="200")

    plot = done.stdout.splitlines()[4:]
    assert {len(line) for line in plot} == {80}
    assert "\x1b" not in done.stdout
    september, october, november = (
        next(line for line in plot if line.startswith(month)) for month in ("2026-09", "2026-10", "2026-11")
    )
    assert (september.count("░"), october.count("█") + october.count("░")) == (0, 0)
    assert september.count("█") == november.count("█") + november.count("░") > 60
    assert abs(november.count("█") - november.count("░")) <= 1


def test_on_a_terminal_the_plot_has_colours(lived, home):
    leader, follower = pty.openpty()
    environment = {**os.environ, "HUB_HOME": str(home), "COLUMNS": "100", "TERM": "xterm-256color"}
    with subprocess.Popen(
        [HUB, "mtu", "--month", "2026-11", "--plot"], env=environment, stdout=follower, stdin=subprocess.DEVNULL
    ) as process:
        os.close(follower)
        shown = b""
        try:
            while part := os.read(leader, 65536):
                shown += part
        except OSError:  # Linux says so when the other end of a terminal is closed
            pass
        assert process.wait(60) == 0
    os.close(leader)

    assert "█".encode() in shown
    assert b"\x1b[" in shown


@pytest.mark.parametrize("width", [40, 80, 233])
@pytest.mark.parametrize("people", [[(0, 0)], [(1, 0)], [(3, 2), (0, 9)], [(1_234_567, 89)] * 120])
def test_every_line_of_a_plot_is_as_wide_as_asked(width, people):
    months = [Mtu(f"{2016 + number // 12}-{number % 12 + 1:02}", *figures) for number, figures in enumerate(people)]

    lines = drawn(months, width=width, colours=False).splitlines()

    assert {len(line) for line in lines} == {width}
    assert len(lines) == len(months) + 4
    for month in months:
        assert sum(line.startswith(month.month) for line in lines) == 1
