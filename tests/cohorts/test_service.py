"""Cohorts kept in a hub: added, listed, counted, read out, removed; and the same on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import GeneratorType

import pytest

from hub.clock import now
from hub.cohorts.service import Cohorts
from hub.errors import AlreadyExists, DefinitionError, NotFound, UsageError
from hub.store.tables import cohorts as cohorts_table
from hub.store.tables import connections, syncs
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles

BUYERS = "version: 1\ndescription: They bought\ndid: Purchase\n"


@pytest.fixture
def people(workspace):
    hour_ago = now() - timedelta(hours=1)
    add_events(workspace, [EventRow(f"p{number}", "Purchase", hour_ago, {"amount": number}) for number in range(5)])
    add_profiles(workspace, [ProfileRow("p0", {"$email": "p0@x.no", "plan": "pro"}), ProfileRow("p9", {"plan": "pro"})])
    return workspace


def test_a_cohort_is_kept_and_comes_back_as_it_was(people):
    service = Cohorts(people)
    added = service.add("buyers", BUYERS)
    assert service.get("buyers") == added
    assert service.list() == [added]
    assert (added.description, added.version, added.size, added.evaluated_at) == ("They bought", 1, None, None)


def test_counting_keeps_the_size_and_when(people):
    service = Cohorts(people)
    service.add("buyers", BUYERS)
    before = datetime.now(UTC)
    found = service.count("buyers")
    assert (found.cohort, found.count) == ("buyers", 5)
    kept = service.get("buyers")
    assert (kept.size, kept.evaluated_at) == (5, found.evaluated_at)
    assert kept.evaluated_at >= before
    assert kept.updated_at == kept.created_at


def test_members_are_streamed_and_as_many_as_were_counted(people):
    service = Cohorts(people)
    service.add("buyers", BUYERS)
    found = service.members("buyers")
    assert isinstance(found, GeneratorType)
    rows = sorted(found, key=lambda row: row["person"])
    assert len(rows) == service.count("buyers").count
    assert rows[0] == {"person": "p0", "distinct_id": "p0", "user_id": "p0", "email": "p0@x.no"}


def test_a_name_that_is_taken_is_refused_and_the_first_one_stays(people):
    service = Cohorts(people)
    first = service.add("buyers", BUYERS)
    with pytest.raises(AlreadyExists, match="'buyers'"):
        service.add("buyers", "version: 1\ndid: Other")
    assert service.get("buyers") == first


def test_an_unknown_name_tells_the_nearest(people):
    service = Cohorts(people)
    service.add("buyers", BUYERS)
    for ask in (service.get, service.count, service.members, service.remove):
        with pytest.raises(NotFound) as caught:
            ask("buyerz")
        assert "'buyers'" in caught.value.hint


def test_a_wrong_definition_saves_nothing(people):
    service = Cohorts(people)
    with pytest.raises(DefinitionError):
        service.add("buyers", "version: 1\ndid: ''")
    assert service.list() == []


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 256, "a\x00b"])
def test_a_name_that_cannot_be_one_is_refused(people, name):
    with pytest.raises(UsageError):
        Cohorts(people).add(name, BUYERS)


def test_names_that_the_data_does_not_have_are_warnings_with_the_nearest(people):
    text = """version: 1
all:
  - did: Purchas
  - {did: Purchase, where: [{property: amout, op: ">", value: 1}, {property: amount, op: ">", value: 1}]}
  - {profile: plann, op: is set}
  - {profile: plan, op: is set}
  - {profile: zzzzzz, op: is set}
"""
    warnings = Cohorts(people).add("odd", text).warnings
    assert warnings == (
        "No event is called 'Purchas' yet: did you mean 'Purchase'?",
        "No event 'Purchase' has a property 'amout' yet: did you mean 'amount'?",
        "No profile has a property 'plann' yet: did you mean 'plan'?",
        "No profile has a property 'zzzzzz' yet.",
    )


def test_names_that_the_data_has_are_no_warnings(people):
    assert Cohorts(people).add("buyers", BUYERS).warnings == ()


def test_a_cohort_that_a_sync_uses_stays(people):
    service = Cohorts(people)
    cohort = service.add("buyers", BUYERS)
    at = now()
    with people.store.writing() as connection:
        project = people.project.id
        connection.execute(
            connections.insert().values(
                id=1,
                project_id=project,
                name="mc",
                connector="mailchimp",
                settings={},
                secrets=b"",
                state="connected",
                created_at=at,
                updated_at=at,
            )
        )
        connection.execute(
            syncs.insert().values(
                project_id=project,
                name="daily",
                cohort_id=cohort.id,
                connection_id=1,
                audience_name="a",
                mapping={},
                state="active",
                created_at=at,
                updated_at=at,
            )
        )
    with pytest.raises(UsageError, match="used by the sync 'daily'"):
        service.remove("buyers")
    assert service.get("buyers").id == cohort.id


def test_a_cohort_that_nobody_uses_goes(people):
    service = Cohorts(people)
    service.add("buyers", BUYERS)
    service.remove("buyers")
    assert service.list() == []


def test_a_definition_of_a_newer_hub_is_refused_by_name(people):
    service = Cohorts(people)
    service.add("buyers", BUYERS)
    with people.store.writing() as connection:
        connection.execute(cohorts_table.update().values(definition={"version": 2, "did": "A"}))
    with pytest.raises(DefinitionError, match="the cohort 'buyers': version: is 2"):
        service.get("buyers")


def test_the_commands_add_count_list_show_and_remove(people, cli, tmp_path):
    file = tmp_path / "buyers.yaml"
    file.write_text(BUYERS)
    assert cli("cohort", "add", "buyers", "--file", str(file)).returncode == 0
    assert json.loads(cli("cohort", "count", "buyers", "--json").stdout)["count"] == 5
    members = [json.loads(line) for line in cli("cohort", "members", "buyers", "--json").stdout.splitlines()]
    assert sorted(row["distinct_id"] for row in members) == ["p0", "p1", "p2", "p3", "p4"]
    assert set(members[0]) == {"person", "distinct_id", "user_id", "email"}
    assert [each["cohort"] for each in json.loads(cli("cohort", "list", "--json").stdout)] == ["buyers"]
    assert cli("cohort", "show", "buyers").stdout == f'# did "Purchase"\n{BUYERS}'
    assert cli("cohort", "remove", "buyers", "--yes").returncode == 0
    assert cli("cohort", "show", "buyers").returncode == 2


def test_a_wrong_file_ends_with_2_and_names_the_field(workspace, cli, tmp_path):
    file = tmp_path / "odd.yaml"
    file.write_text("version: 1\ndid: A\nwindow: {last: {n: 0, unit: day}}")
    done = cli("cohort", "add", "odd", "--file", str(file))
    assert done.returncode == 2
    assert "odd.yaml, line 3: window.last.n: must be at least 1, not 0." in done.stderr
    assert "Traceback" not in done.stderr
