"""What the hub returns, as rows: every state is a word, and what is bad is told apart without its colour."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.sync.models import Progress
from hub.sync.states import RunState
from tests.tui.fakes import NOW, ZONE, FakeCohort, connection, rejected, run, sync
from tui import details, rows
from tui.cells import placed

pytestmark = pytest.mark.usefixtures("at_rest")

ALL_COLUMNS = [
    rows.CONNECTION_COLUMNS,
    rows.COHORT_COLUMNS,
    rows.SYNC_COLUMNS,
    rows.RUN_COLUMNS,
    rows.REJECTED_COLUMNS,
]


@pytest.mark.parametrize(
    ("state", "word", "tone"),
    [
        ("connected", "Connected", "good"),
        ("refused", "Refused", "bad"),
        ("wrong", "Settings wrong", "bad"),
        ("unreachable", "Unreachable", "warn"),
    ],
)
def test_a_connections_state_is_a_word_and_a_tone(state, word, tone):
    cell = rows.connection_row(connection(state=state)).cells["state"]

    assert (cell.text, cell.tone) == (word, tone)


def test_a_cohort_that_was_never_counted_is_not_shown_as_empty():
    never = rows.cohort_row(FakeCohort(1, "new", "", 1, None, None)).cells
    empty = rows.cohort_row(FakeCohort(1, "nobody", "", 1, 0, NOW)).cells

    assert (never["size"].text, never["fresh"].text) == ("not yet", "never")
    assert (empty["size"].text, empty["fresh"].text) == ("0", "just now")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "11:45"),
        ({"next_run_at": NOW - timedelta(minutes=1)}, "due now"),
        ({"state": "stopped", "next_run_at": None}, "Stopped"),
        ({"state": "done", "next_run_at": None}, "Done"),
    ],
)
def test_a_sync_says_when_it_runs_next_or_why_it_does_not(changes, text):
    assert rows.next_run(sync(**changes), ZONE).text == text


def test_the_last_run_of_a_sync_is_told_by_state_and_result():
    failed = run(state=RunState.FAILED, added=500, updated=0, removed=0, rejected=0, owed=40)

    assert rows.last_run(sync(last_run=None)).text == "never ran"
    assert rows.last_run(sync(last_run=run(rejected=0))) == rows.Cell("Done +1,201 ~310 −96", "good")
    assert rows.last_run(sync()).tone == "warn"
    assert rows.last_run(sync(last_run=failed)) == rows.Cell("Failed +500, 40 owed", "bad")


def test_a_run_started_elsewhere_shows_its_progress_from_the_polled_batches():
    under_way = run(state=RunState.DELIVERING, finished_at=None, batches=4, batches_done=1)

    assert "25%" in rows.last_run(sync(last_run=under_way)).text
    assert "25%" in rows.run_row(under_way, ZONE).cells["bar"].text
    assert rows.run_row(under_way, ZONE).cells["state"].tone == "busy"


def test_a_run_here_shows_its_own_progress_before_the_polled_one():
    progress = Progress(1, RunState.DELIVERING, 300, 400)
    under_way = run(state=RunState.EVALUATING, finished_at=None, batches=0, batches_done=0)

    assert "75%" in rows.sync_row(sync(last_run=None), ZONE, progress).cells["last"].text
    assert "75%" in rows.run_row(under_way, ZONE, progress).cells["bar"].text
    assert rows.run_row(under_way, ZONE, progress).cells["state"].text == "Delivering"


@pytest.mark.parametrize("columns", ALL_COLUMNS)
@pytest.mark.parametrize("width", [77, 129, 130, 157, 300])
def test_columns_fill_the_width_and_never_more(columns, width):
    shown = placed(columns, width)
    blanks = (2 if width >= 130 else 1) * (len(shown) - 1)

    assert sum(wide for _, wide in shown) + blanks == width


@pytest.mark.parametrize("columns", ALL_COLUMNS)
def test_a_narrow_list_leaves_out_columns_and_a_wide_one_none(columns):
    narrow = [column for column, _ in placed(columns, 77)]

    assert all(column.from_width == 0 for column in narrow)
    assert len(placed(columns, 157)) == len(columns)


def test_what_a_narrow_list_leaves_out_is_in_the_details():
    refused = connection(state="refused", message="API Key Invalid")
    behind = sync(missed=3, last_run=run(message="2 members were refused", hint="Look at them."))

    assert "API Key Invalid" in details.joined(details.connection_lines(refused, ZONE))
    said = details.joined(details.sync_lines(behind, ZONE))
    assert "3 ticks missed" in said
    assert "2 members were refused Look at them." in said
    assert "took 1 min" in said


def test_everything_about_a_run_is_told_in_words():
    lost = run(
        lost_answers=2,
        repeated=500,
        uncertain=40,
        owed=40,
        state=RunState.FAILED,
        message="Mailchimp is away.",
        hint="Wait.",
    )
    said = {heading: line[0].text for heading, line in details.run_figures(lost)}

    assert said["Skipped"] == "412 no $email, 7 shared key"
    assert said["Plan"] == "1,204 to add, 310 to update, 96 to remove"
    assert said["Not taken"] == "3 rejected, 40 owed (goes out with the next run)"
    assert said["Lost answers"].startswith("500 members may have been sent twice, because no answer")
    assert "40 members were sent and not answered, and may be there already" in said["Lost answers"]
    assert said["Took"] == "1 min (evaluate 0.8 s, plan 0.3 s, deliver 52 s, settle 1.2 s)"
    assert (said["Message"], said["What to do"]) == ("Mailchimp is away.", "Wait.")


def test_a_figure_that_says_nothing_is_left_out():
    headings = [heading for heading, _ in details.run_figures(run(skipped={}, timings={}))]

    assert "Skipped" not in headings
    assert "Lost answers" not in headings
    assert "Message" not in headings


def test_a_rejected_member_keeps_the_partners_words():
    member = rejected()

    assert rows.rejected_row(member, ZONE).cells["reason"].text == member.reason
    assert member.reason in details.joined(details.rejected_lines(member, ZONE))
