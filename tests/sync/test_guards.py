"""What guards hold and what they let pass: pure rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import UsageError
from hub.sync.guards import Past, Proposed, Scope, Thresholds, concern_of, holds, judge, removal_limit
from hub.sync.thresholds import growth_of, removals_of, shrink_of, told

USUAL = Thresholds()


def plan(**figures) -> Proposed:
    """A quiet run: a thousand members, and nothing to do."""
    return Proposed(**({"held": 1000, "going": 1000, "adding": 0, "updating": 0, "leaving": 0} | figures))


def guards(proposed: Proposed, thresholds: Thresholds = USUAL) -> list[str]:
    return [concern.guard for concern in judge(proposed, thresholds)]


def test_the_first_run_of_an_audience_is_never_held():
    assert guards(plan(held=0, going=1_000_000, adding=1_000_000)) == []


def test_a_run_may_take_out_thirty_percent_and_no_more():
    assert guards(plan(going=700, leaving=300)) == []
    [concern] = judge(plan(going=699, leaving=301), USUAL)
    assert (concern.guard, concern.scope) == ("removals", Scope.REMOVALS)
    assert concern.said == "301 of 1,000 members would leave the audience, which is 30.1 %; 30 % may pass."


def test_one_of_two_is_no_alarm_and_nine_are_none():
    assert guards(plan(held=2, going=1, leaving=1)) == []
    assert guards(plan(held=9, going=0, leaving=9)) == []
    assert guards(plan(held=10, going=0, leaving=10)) == ["empty"]
    assert guards(plan(held=9, going=0, leaving=9), Thresholds(least=5)) == ["empty"]


def test_an_empty_cohort_is_said_to_be_empty_and_holds_everything():
    [concern] = judge(plan(going=0, leaving=1000, going_before=1000), USUAL)
    assert (concern.guard, concern.scope) == ("empty", Scope.EVERYTHING)


def test_nothing_is_held_when_nobody_would_leave_an_emptied_audience():
    assert guards(plan(going=0, going_before=1000, leaving=0)) == []


def test_a_cohort_that_has_shrunk_by_more_than_half_is_held_though_few_leave():
    assert guards(plan(held=10_000, going=400, leaving=600, going_before=1000)) == ["shrunken"]
    assert guards(plan(held=10_000, going=500, leaving=500, going_before=1000)) == []
    assert guards(plan(held=10_000, going=400, leaving=0, going_before=1000)) == []


def test_an_audience_may_double_and_growth_of_few_is_no_alarm():
    assert guards(plan(going=2000, adding=1000, going_before=1000)) == []
    assert guards(plan(going=2001, adding=1001, going_before=1000)) == ["growth"]
    assert guards(plan(held=5, going=104, adding=99, going_before=5)) == []
    assert guards(plan(going=9000, adding=8000, going_before=1000), Thresholds(growth=None)) == []


def test_what_a_first_run_left_owed_is_not_growth():
    assert guards(plan(held=500, going=9000, adding=8500, going_before=None)) == []


def test_a_changed_definition_or_mapping_holds_the_first_run_that_sends_because_of_it():
    changed = ("The cohort vip has another definition: version 2, where it was 1.", "The mapping has changed: PLAN.")
    found = judge(plan(updating=40, changed=changed), USUAL)
    assert [concern.guard for concern in found] == ["changed", "changed"]
    assert found[0].said.startswith(changed[0])
    assert guards(plan(updating=9, changed=changed)) == []
    assert guards(plan(updating=40, changed=changed), Thresholds(changes=False)) == []


def test_additions_go_on_only_while_nothing_but_removals_is_doubted():
    removals = judge(plan(going=400, adding=5, leaving=600), USUAL)
    more = judge(plan(going=400, adding=5, leaving=600, changed=("The mapping has changed: A.",)), USUAL)
    assert holds([], USUAL) is None
    assert holds(removals, USUAL) is Scope.REMOVALS
    assert holds(removals, Thresholds(additions=False)) is Scope.EVERYTHING
    assert holds(more, USUAL) is Scope.EVERYTHING


def test_guards_that_are_off_say_nothing():
    assert guards(plan(going=0, leaving=1000, changed=("x",)), Thresholds(on=False)) == []


@pytest.mark.parametrize(
    ("shares", "limit"),
    [
        ([0.9] * 4, 0.3),  # too few to learn from
        ([0.0] * 5, 0.1),  # a quiet sync is watched closely
        ([0.2] * 5, 0.4),  # twice what is usual
        ([0.6, 0.0, 0.0, 0.0, 0.0], 0.1),  # one odd run does not open the gate
        ([0.6, 0.6, 0.0, 0.0, 0.0], 0.9),  # two make it usual
    ],
)
def test_the_limit_of_removals_is_learned_from_the_past(shares, limit):
    past = [Past(1000, round(1000 * share)) for share in shares]
    assert removal_limit(past, USUAL) == pytest.approx(limit)
    assert removal_limit(past, Thresholds(removals=0.25)) == 0.25


def test_only_the_last_twenty_finished_runs_are_looked_back_at():
    assert removal_limit([Past(100, 0)] * 20 + [Past(100, 50)] * 9, USUAL) == pytest.approx(0.1)


@given(
    held=st.integers(1, 10**6),
    leaving=st.integers(0, 10**6),
    past=st.lists(st.floats(0, 1), max_size=30),
    more=st.integers(0, 10**6),
)
@settings(max_examples=50, deadline=None)
def test_whoever_would_take_out_more_is_held_too(held, leaving, past, more):
    runs = [Past(1000, round(1000 * share)) for share in past]
    fewer = plan(held=held, going=held, leaving=min(leaving, held), past=runs)
    others = plan(held=held, going=held, leaving=min(leaving + more, held), past=runs)
    assert not guards(fewer) or guards(others)


def test_what_a_guard_said_is_kept_and_read_again():
    [concern] = judge(plan(going=0, leaving=1000), USUAL)
    assert concern_of(concern.figures()) == concern


def test_thresholds_are_read_as_people_write_them():
    assert (removals_of("25%"), removals_of("12.5 %"), removals_of("off"), removals_of("learned")) == (
        0.25, 0.125, 1.0, None,
    )  # fmt: skip
    assert (shrink_of("off"), growth_of("250%"), growth_of("off")) == (1.0, 2.5, None)
    for wrong in ("0.3", "120%", "-1%", "a lot"):
        with pytest.raises(UsageError, match="cannot be read as a share"):
            removals_of(wrong)


def test_thresholds_are_told_as_people_read_them():
    assert dict(told(Thresholds(removals=0.25, growth=None, least=50))) == {
        "removals": "more than 25 %",
        "shrink": "more than 50 %",
        "growth": "off",
        "least": "50 members; 500 of growth",
        "changes": "hold the first run after them",
        "additions": "go on while removals are held",
    }
