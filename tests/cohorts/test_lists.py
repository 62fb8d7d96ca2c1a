"""Cohorts that bring their own members: lists of files, frozen ones, and what is pushed to the hub."""

from __future__ import annotations

import gzip
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from hub.cli.lists import ListOptions
from hub.clock import now
from hub.cohorts.lists.changes import Mode
from hub.cohorts.lists.files import Layout
from hub.cohorts.members import qualified
from hub.connectors.matching import MatchOn
from hub.errors import AlreadyExists, InputError, NotFound, UsageError
from tests.by_target import texts
from tests.cohorts.asking import rows_of
from tests.lake_rows import EventRow, ProfileRow, add_events, add_identity, add_profiles

EMAIL = MatchOn("$email", "$email", "email")
ANN = {"$email": " Ann@X.no ", "plan": "pro", "age": 40}


@pytest.fixture
def people(hub):
    """Ann and Bob have profiles, Cleo has only an event."""
    hour_ago = now() - timedelta(hours=1)
    add_events(hub.workspace, [EventRow(name, "Purchase", hour_ago) for name in ("ann", "bob", "cleo")])
    add_profiles(hub.workspace, [ProfileRow("ann", ANN), ProfileRow("bob", {"$email": "bob@x.no", "plan": "free"})])
    return hub


def write(folder, text, name="list.txt"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def persons(hub, name):
    found = [row["person"] for row in hub.cohorts.members(name)]
    assert len(found) == len({*found}) == hub.cohorts.count(name).count
    return {*found}


def going(hub, name, mapping=None, key=EMAIL):
    rows = rows_of(hub.workspace, qualified, hub.cohorts.question(name), match=[key], mapping=mapping or {})
    return {row["person"]: (row["key"], texts(row["mapped"])) for row in rows}


def test_a_plain_list_is_one_id_a_line_with_blanks_and_its_heading_passed_over(people, tmp_path):
    done = people.lists.add_static("vip", write(tmp_path, "\ufeffdistinct_id\r\nann\r\n\r\n  zoe \nann"))
    assert (done.accepted, done.rejected, done.added, done.size) == (3, 0, 2, 2)
    assert persons(people, "vip") == {"ann", "zoe"}
    kept = people.cohorts.get("vip")
    assert (kept.kind, kept.members_from, kept.version) == ("static", "the file list.txt", 1)
    assert kept.figures()["definition"] == {
        "version": 1, "static": {"key": "distinct_id", "origin": "the file list.txt"},
    }  # fmt: skip


def test_members_of_a_list_go_out_whatever_profile_they_have_with_the_values_of_their_profile(people, tmp_path):
    people.lists.add_static("vip", write(tmp_path, "ann\ncleo\nzoe\n"))
    rows = rows_of(people.workspace, qualified, people.cohorts.question("vip"), match=[EMAIL], mapping={"PLAN": "plan"})
    assert all(row["has_profile"] for row in rows)
    assert going(people, "vip", {"PLAN": "plan"}) == {
        "ann": ("ann@x.no", {"PLAN": "s:pro"}), "cleo": (None, {}), "zoe": (None, {}),
    }  # fmt: skip
    assert going(people, "vip", key=MatchOn("distinct_id", "distinct_id"))["zoe"] == ("zoe", {})


def test_a_list_of_addresses_brings_keys_and_properties_of_its_own_and_finds_the_people_behind_them(people, tmp_path):
    text = "email,plan,size\nANN@x.no,gold,3\nnew@x.no,silver,\n"
    people.lists.add_static(
        "mail", write(tmp_path, text, "m.csv"), key="email", layout=Layout("", ("plan", "size:number"))
    )
    assert persons(people, "mail") == {"ann", "$match:$email:new@x.no"}
    mapping = {"PLAN": "plan", "AGE": "age", "SIZE": "size", "MAIL": "$email", "ID": "distinct_id"}
    assert going(people, "mail", mapping) == {
        "ann": ("ann@x.no", {"PLAN": "s:gold", "AGE": "n:40.0", "SIZE": "n:3.0", "MAIL": "s:ann@x.no", "ID": "s:ann"}),
        "$match:$email:new@x.no": ("new@x.no", {"PLAN": "s:silver", "MAIL": "s:new@x.no"}),
    }  # fmt: skip
    shown = {row["person"]: row for row in people.cohorts.members("mail")}
    assert shown["$match:$email:new@x.no"] == {
        "person": "$match:$email:new@x.no", "distinct_id": None, "user_id": None, "email": "new@x.no",
    }  # fmt: skip
    assert shown["ann"]["distinct_id"] == "ann"


def test_two_ids_of_one_person_are_one_member(people, tmp_path):
    add_identity(people.workspace, {"$device:1": "ann", "$device:2": "bob"})
    people.lists.add_static("vip", write(tmp_path, "$device:1\nann\n$device:2\n"))
    assert persons(people, "vip") == {"ann", "bob"}


def test_other_cohorts_can_name_a_list_and_see_its_people_and_not_its_bare_addresses(people, tmp_path):
    people.lists.add_static("mail", write(tmp_path, "ann@x.no\nnew@x.no\n"), key="email")
    people.lists.add_static("ids", write(tmp_path, "bob\nzoe\n"))
    people.cohorts.add("either", "version: 1\nany: [{cohort: mail}, {cohort: ids}]")
    people.cohorts.add("buyers", "version: 1\nall: [{did: Purchase}, {not: {cohort: mail}}]")
    people.cohorts.add("odd", "version: 1\nany: [{cohort: ids}, {profile: plan, op: '!=', value: pro}]")
    assert persons(people, "either") == {"ann", "bob", "zoe"}
    assert persons(people, "buyers") == {"bob", "cleo"}
    assert persons(people, "odd") == {"bob", "cleo", "zoe"}
    with pytest.raises(UsageError, match="named by the cohorts"):
        people.cohorts.remove("mail")


def test_wrong_lines_are_told_with_their_number_and_the_rest_goes_in(people, tmp_path):
    lines = b"ann\nnull\n" + b"x" * 300 + b"\nb\xffd\na\x00b\nbob\n"
    done = people.lists.add_static("vip", write(tmp_path, lines))
    assert (done.accepted, done.rejected) == (2, 4)
    assert done.rejects == (
        (2, "The key (distinct_id) is a value that stands for nobody."),
        (3, "The key (distinct_id) is longer than 255 characters."),
        (4, "The line is not valid UTF-8."),
        (5, "A text holds a NUL character."),
    )
    rows = 'distinct_id,n\nann,1\n,2\nbob,x\nc,1,1\n"d'
    done = people.lists.add_static("csv", write(tmp_path, rows, "r.csv"), layout=Layout(properties=("n:number",)))
    assert [line for line, _ in done.rejects] == [3, 4, 5, 6]
    assert persons(people, "csv") == {"ann"}


@pytest.mark.parametrize(
    ("text", "name", "layout", "says"),
    [
        ("a,b\n1,2\n", "x.csv", Layout(), "No column is called distinct_id"),
        ("a,b\n1,2\n", "x.csv", Layout(column="c"), "has no column c"),
        ("distinct_id,b,c\n1,2,3\n", "x.csv", Layout(properties=("b=x", "c=x")), "Two columns would become"),
        ("null\n", "x.txt", Layout(), "no line can be a member; line 1"),
        (gzip.compress(b"ann\nbob\n", mtime=0)[:-9], "x.gz", Layout(), "ends early"),
    ],
)
def test_a_file_that_is_not_what_it_says_keeps_nothing(people, tmp_path, text, name, layout, says):
    with pytest.raises(InputError, match=says):
        people.lists.add_static("vip", write(tmp_path, text, name), layout=layout)
    with pytest.raises(NotFound):
        people.cohorts.get("vip")
    assert [*(people.workspace.lake.root / ".members").glob("*")] == []


def test_a_packed_csv_file_without_a_header_is_a_list(people, tmp_path):
    people.lists.add_static("vip", write(tmp_path, gzip.compress(b'"ann"\nbob\n'), "ids.csv.gz"))
    assert persons(people, "vip") == {"ann", "bob"}


def test_the_same_list_twice_changes_nothing_and_a_new_one_only_what_differs(people, tmp_path):
    first = write(tmp_path, "id,plan\nann,a\nbob,b\ncleo,c\n", "one.csv")
    layout = Layout(column="id")
    people.lists.add_static("vip", first, layout=layout)
    with pytest.raises(AlreadyExists):
        people.lists.add_static("vip", first, layout=layout)
    again = people.lists.add_static("vip", first, layout=layout, replace=True)
    assert (again.added, again.changed, again.removed, again.size) == (0, 0, 0, 3)
    second = write(tmp_path, "id,plan\nann,a\nbob,B\nzoe,z\n", "two.csv")
    done = people.lists.add_static("vip", second, layout=layout, replace=True)
    assert (done.added, done.changed, done.removed, done.size) == (1, 1, 1, 3)
    assert going(people, "vip", {"P": "plan"}, key=MatchOn("distinct_id", "distinct_id")) == {
        "ann": ("ann", {"P": "s:a"}), "bob": ("bob", {"P": "s:B"}), "zoe": ("zoe", {"P": "s:z"}),
    }  # fmt: skip
    assert people.cohorts.get("vip").members_from == "the file two.csv"


def test_a_list_is_asked_for_as_it_was_and_not_from_before_it_was_made(people, tmp_path):
    before = now()
    people.lists.add_static("vip", write(tmp_path, "ann\n"))
    between = now()
    people.lists.add_static("vip", write(tmp_path, "bob\n"), replace=True)
    people.cohorts.add("clause", "version: 1\ncohort: vip")
    for name in ("vip", "clause"):
        assert [row["person"] for row in people.cohorts.members(name, as_of=between)] == ["ann"]
        assert [row["person"] for row in people.cohorts.members(name)] == ["bob"]
        with pytest.raises(UsageError, match="'vip' has no history before it was made"):
            people.cohorts.count(name, as_of=before)
        with pytest.raises(UsageError, match="no history"):
            people.cohorts.count(name, known_at=datetime(2020, 1, 1, tzinfo=UTC))


def test_a_frozen_cohort_keeps_its_people_and_looks_their_values_up(people):
    people.cohorts.add("pro", "version: 1\nprofile: plan\nop: '='\nvalue: pro\n")
    done = people.lists.freeze("kept", "pro")
    assert (done.accepted, done.size) == (1, 1)
    add_profiles(people.workspace, [ProfileRow("ann", {"$email": "ann@new.no", "plan": "free"}, seq=9)])
    assert persons(people, "pro") == set()
    assert going(people, "kept", {"PLAN": "plan"}) == {"ann": ("ann@new.no", {"PLAN": "s:free"})}
    people.lists.freeze("again", "kept")
    assert persons(people, "again") == {"ann"}
    assert people.cohorts.get("kept").members_from == "the cohort 'pro', frozen"


def test_received_members_are_replaced_added_and_removed(people):
    people.lists.add_received("push", key="email")
    assert persons(people, "push") == set()
    members = [{"$email": "Ann@x.no", "first_name": "Ann"}, {"$email": "new@x.no", "n": 1, "l": ["a"], "o": {"a": 1}}]
    assert people.lists.change("push", members, Mode.REPLACE).added == 2
    assert people.lists.change("push", members, Mode.REPLACE).added == 0
    done = people.lists.change("push", [{"$email": "bob@x.no"}, {"first_name": "Nobody"}, "x"], Mode.ADD)
    assert (done.added, done.size) == (1, 3)
    assert done.rejects == ((2, "There is no $email."), (3, "The member is not an object."))
    done = people.lists.change("push", [{"$email": "new@x.no"}, {"$email": "stranger@x.no"}], Mode.REMOVE)
    assert (done.removed, done.size) == (1, 2)
    assert going(people, "push", {"FNAME": "first_name"}) == {
        "ann": ("ann@x.no", {"FNAME": "s:Ann"}), "bob": ("bob@x.no", {}),
    }  # fmt: skip
    people.lists.freeze("kept", "push")
    assert going(people, "kept", {"FNAME": "first_name"}) == going(people, "push", {"FNAME": "first_name"})


def test_pages_count_when_all_are_in_whatever_their_order_and_however_often_they_come(people):
    people.lists.add_received("push")
    people.lists.change("push", [{"distinct_id": "old"}], Mode.REPLACE)
    stage = people.lists.stage
    assert stage("push", "lost", 1, 2, [{"distinct_id": "never"}])[0].missing == 1
    assert stage("push", "s", 3, 3, [{"distinct_id": "c"}])[0].missing == 2
    assert stage("push", "s", 1, 3, [{"distinct_id": "x"}])[0].missing == 1
    assert stage("push", "s", 1, 3, [{"distinct_id": "a"}, {"distinct_id": "c", "n": 1}])[0].missing == 1
    assert persons(people, "push") == {"old"}
    session, done = stage("push", "s", 2, 3, [])
    assert (session.applied, done.added, done.removed, done.size) == (True, 2, 1, 2)
    assert persons(people, "push") == {"a", "c"}
    session, done = stage("push", "s", 2, 3, [{"distinct_id": "late"}])
    assert (session.applied, done.accepted) == (True, 0)
    assert stage("push", "same", 1, 1, [{"distinct_id": "a"}, {"distinct_id": "c"}])[0].applied
    people.lists.change("push", [{"distinct_id": "d"}], Mode.ADD)
    assert stage("push", "same", 1, 1, [{"distinct_id": "b"}])[1].accepted == 0
    assert persons(people, "push") == {"a", "c", "d"}
    assert [*(people.workspace.lake.root / ".members").glob("*")] == []
    for page, total in ((0, 1), (2, 1), (1, 10**6)):
        with pytest.raises(UsageError):
            stage("push", "s2", page, total, [])


def test_a_list_that_changes_often_is_written_as_a_whole_again_and_stays_the_same(people, monkeypatch):
    monkeypatch.setattr("hub.cohorts.lists.changes.MOST_CHANGES", 3)
    monkeypatch.setattr("hub.cohorts.lists.changes.KEPT", timedelta(0))
    people.lists.add_received("push")
    for number in range(4):
        people.lists.change("push", [{"distinct_id": f"p{number}", "n": number}], Mode.ADD)
        people.lists.change("push", [{"distinct_id": f"p{number - 2}"}], Mode.REMOVE)
    assert persons(people, "push") == {"p2", "p3"}
    assert going(people, "push", {"N": "n"}, key=MatchOn("distinct_id", "distinct_id"))["p3"] == ("p3", {"N": "n:3.0"})
    assert len(people.workspace.lake.files(_layout())) <= 5


def test_what_a_killed_process_left_behind_counts_for_nobody(people, monkeypatch):
    people.lists.add_received("push")
    people.lists.change("push", [{"distinct_id": "a"}], Mode.REPLACE)

    def killed(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hub.cohorts.lists.changes.now", killed)  # after the lake has the rows, before they count
        with pytest.raises(KeyboardInterrupt):
            people.lists.change("push", [{"distinct_id": "b"}], Mode.REPLACE)
    assert persons(people, "push") == {"a"}
    people.lists.change("push", [{"distinct_id": "c"}], Mode.ADD)
    assert persons(people, "push") == {"a", "c"}


def test_only_lists_of_their_kind_are_pushed_to_and_replaced(people, tmp_path):
    people.cohorts.add("pro", "version: 1\nprofile: plan\nop: is set\n")
    people.lists.add_received("push")
    with pytest.raises(UsageError, match="'pro' is not one that members are pushed to: it is dynamic"):
        people.lists.change("pro", [], Mode.ADD)
    with pytest.raises(UsageError, match="'push' is no list of a file"):
        people.lists.add_static("push", write(tmp_path, "a\n"), replace=True)
    with pytest.raises(NotFound):
        people.lists.receive_file("nope", write(tmp_path, "a\n"), Mode.ADD)


def test_removing_a_list_takes_its_members_out_of_the_lake(people, tmp_path):
    people.lists.add_static("vip", write(tmp_path, "ann\n"))
    people.cohorts.remove("vip")
    assert people.workspace.lake.files(_layout()) == []
    people.lists.add_static("vip", write(tmp_path, "bob\n"))
    assert persons(people, "vip") == {"bob"}


def test_standard_input_is_a_file_too(people, monkeypatch):
    reading, writing = os.pipe()
    os.write(writing, b"ann\nbob\n")
    os.close(writing)
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading))
    people.lists.add_static("vip", "-")
    assert persons(people, "vip") == {"ann", "bob"}


def _layout():
    from hub.lake.tables import COHORT_MEMBERS

    return COHORT_MEMBERS


def test_the_commands_make_and_change_lists_and_tell_their_kind(people, cli, tmp_path):
    ids = write(tmp_path, "ann\nnull\nbob\n")
    done = cli("cohort", "add", "vip", "--static", str(ids), "--json")
    assert done.returncode == 4
    assert "line 2: The key (distinct_id) is a value that stands for nobody." in done.stderr
    assert json.loads(done.stdout)["size"] == 2
    people.lists.add_received("push", key="email")
    done = cli("cohort", "receive", "push", "-", "--add", stdin="new@x.no\n")
    assert done.stdout == "push has 1 member (1 added, 0 changed, 0 removed).\n"
    assert (
        cli("cohort", "show", "vip").stdout == "version: 1\nstatic:\n  key: distinct_id\n  origin: the file list.txt\n"
    )
    figures = {each.name: each.figures() for each in people.cohorts.list()}
    assert {name: each["kind"] for name, each in figures.items()} == {"vip": "static", "push": "received"}
    assert (figures["vip"]["members_from"], figures["vip"]["text"]) == ("the file list.txt", "")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ListOptions(static="a", received=True), "--static and --received cannot go together: a cohort is of one kind"),
        (ListOptions(static="a", warehouse="w"), "--warehouse goes with --sql"),
        (ListOptions(freeze="a", key="email"), "--key goes with --static or --sql or --received"),
        (ListOptions(sql="a"), "--sql wants --warehouse"),
        (ListOptions(static="a", replace=True, key="email"), "--replace keeps the key"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, says):
    with pytest.raises(UsageError, match=says):
        options.check(defined=False)
