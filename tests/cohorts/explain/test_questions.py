"""Questions about cohorts that are kept, and about some that are not: on a real hub, and on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from hub.clock import now
from hub.errors import NotFound
from hub.store.tables import cohorts as cohorts_table
from tests.lake_rows import EventRow, ProfileRow, add_events, add_identity, add_profiles

DAY = timedelta(days=1)
LOYAL = 'did "Purchase" at least 2 times in last 30 days and did not do "Complaint" and user.plan = "pro"'


@pytest.fixture
def people(hub):
    """Ann is loyal, Bob would be if he had not complained, Cleo has no profile, Dan bought once."""
    at = now() - 10 * DAY
    events = [EventRow(name, "Purchase", at - days * DAY) for name in ("ann", "bob", "cleo") for days in (0, 1)]
    events += [EventRow("bob", "Complaint", at), EventRow("dan", "Purchase", at), EventRow("$device:1", "Visit", at)]
    add_events(hub.workspace, events)
    names = ("ann", "bob", "dan")
    add_profiles(hub.workspace, [ProfileRow(name, {"$email": f"{name}@x.no", "plan": "pro"}) for name in names])
    add_identity(hub.workspace, {"$device:1": "ann"})
    hub.cohorts.add("loyal", definition(LOYAL))
    hub.cohorts.add("buyers", definition('did "Purchase"'))
    return hub


def definition(text):
    from hub.cohorts.text.reading import definition_of_text

    return definition_of_text(text)


def test_any_id_of_a_person_explains_the_same_person(people):
    one, other = (people.questions.explain("loyal", asked) for asked in ("ann", "$device:1"))

    assert (one.member, one.person, one.ids) == (other.member, other.person, other.ids) == (True, "ann", 2)
    assert other.asked == "$device:1"


def test_an_id_of_nobody_is_an_error_with_what_is_nearest(people, cli):
    with pytest.raises(NotFound, match="Nobody is known by the id 'Ann'"):
        people.questions.explain("loyal", "Ann")
    done = cli("cohort", "explain", "loyal", "--person", "1")
    assert done.returncode == 2
    assert "Nobody is known by the id '1'" in done.stderr


def test_a_member_without_a_profile_is_told_that_syncs_leave_them_out(people):
    found = people.questions.explain("buyers", "cleo")

    assert found.member
    assert [(each.sync, each.reason) for each in found.left_out] == [("", "no profile")]
    assert people.questions.explain("buyers", "ann").left_out == ()


async def test_a_sync_that_leaves_a_member_out_is_named_with_the_reason(connected, tmp_path):
    workspace = connected.workspace
    twins = [ProfileRow(name, {"$email": " TWIN@x.no"}, seq=10_000) for name in ("twin-1", "twin-2")]
    add_profiles(workspace, [*twins, ProfileRow("keyless", {"plan": "pro"}, seq=10_000)])
    connected.cohorts.add("all", definition("user.$email is set or user.plan is set"))
    connected.syncs.start("all", "news", every=timedelta(hours=1), name="weekly")

    said = {who: connected.questions.explain("all", who).left_out for who in ("twin-1", "twin-2", "keyless")}

    assert said["twin-1"] == ()
    assert [(each.sync, each.reason) for each in said["twin-2"]] == [("weekly", "shared key")]
    assert "twin-1 has the same $email" in said["twin-2"][0].detail
    assert [(each.sync, each.reason) for each in said["keyless"]] == [("weekly", "no key")]


def test_a_cohort_within_a_cohort_is_explained_within_it(people):
    people.cohorts.add("outer", definition("in cohort loyal or not in cohort loyal and user.plan is not set"))

    found = people.questions.explain("outer", "ann").clause

    first, second = found.parts
    assert [first.kind, first.parts[0].kind, len(first.parts[0].parts)] == ["cohort", "all", 3]
    repeated = next(each for each in second.walk() if each.kind == "cohort")
    assert (repeated.told_above, repeated.parts) == (True, ())


def test_since_when_looks_at_what_the_profile_was(people):
    # the first state came to be known on the first of January (tests.lake_rows)
    add_profiles(people.workspace, [ProfileRow("dan", {"plan": "free"}, seq=5)])
    people.cohorts.add("free", definition('user.plan = "free"'))

    found = people.questions.explain("free", "dan")
    as_of = people.questions.explain("free", "dan", as_of=datetime(2026, 1, 2, tzinfo=UTC))

    assert found.member
    assert as_of.member
    assert as_of.since.at is None


def test_a_list_says_by_which_key_and_since_when(people, tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("ann@x.no\nelse@x.no\n")
    before = now()
    people.lists.add_static("invited", file, key="email")
    people.cohorts.add("not yet", definition('did "Purchase" and not in cohort invited'))

    ann, bob = (people.questions.explain("invited", who) for who in ("ann", "bob"))
    outer = people.questions.explain("not yet", "ann")

    assert (ann.member, ann.clause.evidence.value) == (True, "ann@x.no")
    assert before < ann.since.at < now()
    assert (bob.member, bob.clause.evidence.value) == (False, None)
    assert not outer.member
    assert outer.since.at == ann.since.at


def test_overlap_counts_everybody_once(people):
    found = people.questions.overlap("loyal", "buyers").figures()

    assert found == {"cohorts": ["loyal", "buyers"], "only_first": 0, "both": 1, "only_second": 3, "neither": 0}


def test_a_waterfall_counts_each_clause_alone_and_with_those_before_it(people):
    found = people.questions.waterfall("loyal").figures()

    assert (found["everybody"], found["joined"]) == (4, "and")
    assert [(step["alone"], step["together"]) for step in found["steps"]] == [(3, 3), (3, 2), (3, 1)]
    assert found["steps"][1]["text"] == 'did not do "Complaint"'


def test_a_waterfall_of_alternatives_grows(people):
    people.cohorts.add("either", definition('did "Complaint" or did "Visit"'))

    found = people.questions.waterfall("either").figures()

    assert found["joined"] == "or"
    assert [(step["alone"], step["together"]) for step in found["steps"]] == [(1, 1), (1, 2)]


def test_a_preview_is_exact_and_keeps_nothing(people):
    found = people.questions.preview(definition('did "Purchase" and did not do "Complant"'), with_waterfall=True)

    assert found.count == 4
    assert [member["person"] for member in found.sample] == ["ann", "bob", "cleo", "dan"]
    assert found.warnings == ("No event is called 'Complant' yet: did you mean 'Complaint'?",)
    assert found.waterfall.steps[0].alone == 4
    with people.workspace.store.reading() as connection:
        assert len(connection.execute(cohorts_table.select()).all()) == 2


def test_what_the_command_says_of_somebody_out_by_one_clause(people, cli):
    done = cli("cohort", "explain", "loyal", "--person", "bob")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bob is not in loyal, and never was.\n")
    assert 'Only this clause keeps them out: did not do "Complaint"' in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert '  ✗ did not do "Complaint"\n      1 time\n' in done.stdout


def test_the_keys_for_machines_are_stable(people, cli):
    told = json.loads(cli("cohort", "explain", "loyal", "--person", "ann", "--json").stdout)

    assert {*told} == {
        "cohort", "asked", "person", "ids", "member", "evaluated_at", "since", "since_because", "since_known",
        "changes_at", "changes_because", "changes_known", "is_person", "has_profile", "left_out", "clause",
    }  # fmt: skip
    purchase = told["clause"]["parts"][0]
    assert {*purchase} == {
        "kind", "text", "holds", "decides", "since", "since_because", "since_known", "changes_at", "changes_because",
        "changes_known", "measure", "value", "window", "events", "events_found",
    }  # fmt: skip
    assert (purchase["measure"], purchase["value"], purchase["decides"]) == ("times", 2, True)
    assert told["changes_because"] == purchase["changes_because"]


def test_the_query_of_a_cohort_can_be_read_and_its_clauses_drawn(people, cli):
    query = cli("cohort", "show", "loyal", "--sql").stdout
    drawn = cli("cohort", "show", "loyal", "--waterfall").stdout

    assert query.startswith("SELECT")
    assert "  together  1" in drawn
    assert max(map(len, drawn.splitlines())) <= 80
