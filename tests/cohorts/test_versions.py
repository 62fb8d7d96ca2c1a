"""The history of a cohort's definition: who changed what, when and why; edits that are told, and ways back."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading

import pytest
from alembic import command
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.cohorts.definition import AllOf, AnyOf, Definition, Not
from hub.cohorts.text.lines import clause_lines
from hub.cohorts.text.reading import definition_of_text
from hub.errors import DefinitionError, NotFound, Overtaken, UsageError
from hub.store.store import Store
from hub.store.tables import cohort_versions
from tests.conftest import HUB

BUYERS = 'did "Purchase"'
RECENT = 'did "Purchase" in last 30 days and user.plan = "pro"'


def text(spelt: str) -> Definition:
    return definition_of_text(spelt)


@pytest.fixture
def cohorts(hub):
    hub.cohorts.add("buyers", text(BUYERS), "They bought", message="the first one")
    return hub.cohorts


def test_every_change_is_a_version_with_who_made_it_and_why(cohorts, monkeypatch):
    cohorts.edit("buyers", text(RECENT), message="too many")
    cohorts.edit("buyers", description="They bought lately")
    cohorts.revert("buyers", 1, message="it was better")
    cohorts.remove("buyers", message="nobody wants it")

    found = cohorts.versions("buyers")
    assert [(each.number, each.change, each.restored, each.reason) for each in found] == [
        (1, "made", None, "the first one"),
        (2, "edited", None, "too many"),
        (3, "edited", None, ""),
        (4, "reverted", 1, "it was better"),
        (5, "removed", None, "nobody wants it"),
    ]
    assert [each.text for each in found] == [BUYERS, RECENT, RECENT, BUYERS, BUYERS]
    assert [each.description for each in found] == ["They bought", "They bought", "They bought lately"] + 2 * [
        "They bought"
    ]
    assert len({each.actor for each in found}) == 1
    assert found[0].actor
    assert sorted(each.at for each in found) == [each.at for each in found]


def test_what_differs_is_told_clause_by_clause(cohorts):
    cohorts.edit("buyers", text(RECENT))

    assert cohorts.diff("buyers").lines() == [
        "  # They bought",
        '- did "Purchase"',
        '+ did "Purchase" in last 30 days',
        '+ and user.plan = "pro"',
    ]
    assert cohorts.diff("buyers", 2, 1).lines()[-1] == '+ did "Purchase"'
    assert cohorts.diff("buyers", 1, 1).lines() == []
    with pytest.raises(NotFound, match="no version 7"):
        cohorts.diff("buyers", 7)


def test_an_edit_that_changes_nothing_is_no_version(cohorts):
    assert not cohorts.edit("buyers", text(BUYERS), "They bought").changed
    assert not cohorts.revert("buyers", 1).changed
    assert cohorts.get("buyers").version == 1


def test_the_size_that_was_counted_belongs_to_the_definition(cohorts):
    cohorts.count("buyers")
    cohorts.edit("buyers", description="Another sentence")
    assert cohorts.get("buyers").size == 0
    cohorts.edit("buyers", text(RECENT))
    assert cohorts.get("buyers").size is None


def test_the_second_of_two_who_edit_at_once_is_told_of_the_first(cohorts):
    began = cohorts.get("buyers").version
    cohorts.edit("buyers", text(RECENT), version=began)

    with pytest.raises(Overtaken, match="has version 2, and you began with version 1") as caught:
        cohorts.edit("buyers", text('did "Other"'), version=began)
    assert "diff buyers --from 1" in caught.value.hint
    assert cohorts.get("buyers").text == RECENT


def test_of_many_who_edit_at_once_exactly_one_succeeds(cohorts):
    ended, ready = [], threading.Barrier(6)

    def change(number: int) -> None:
        ready.wait()
        try:
            cohorts.edit("buyers", description=f"by {number}", version=1)
            ended.append("saved")
        except Overtaken:
            ended.append("told")

    threads = [threading.Thread(target=change, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["saved", *["told"] * 5]
    assert [each.number for each in cohorts.versions("buyers")] == [1, 2]


def test_an_edit_goes_round_in_no_circle_and_names_nobody_who_is_not_there(cohorts):
    cohorts.add("vip", text("in cohort buyers"))
    cohorts.add("best", text("in cohort vip"))

    with pytest.raises(DefinitionError, match="circle: 'buyers' -> 'best' -> 'vip' -> 'buyers'"):
        cohorts.edit("buyers", text("in cohort best"))
    with pytest.raises(NotFound, match="names the cohort 'nobody'"):
        cohorts.edit("buyers", text("in cohort nobody"))
    assert len(cohorts.versions("buyers")) == 1


def test_an_edit_that_makes_another_cohort_too_large_is_refused_with_its_name(cohorts):
    wide = " and ".join(f'did "E{number}"' for number in range(400))
    cohorts.add("large", text(wide + " and in cohort buyers"))

    with pytest.raises(DefinitionError, match="the cohort 'large': has 801 clauses"):
        cohorts.edit("buyers", text(wide))


async def test_an_edit_names_the_cohorts_and_the_syncs_that_follow(connected):
    connected.cohorts.add("vip", text('in cohort loyal and user.plan = "pro"'))
    connected.syncs.start("loyal", "news", every=None, name="once")
    connected.syncs.start("vip", "news", every=None, name="vips")
    connected.syncs.start("vip", "news", every=None, name="stopped", audience="other")
    connected.syncs.stop("stopped")

    done = connected.cohorts.edit("loyal", text('did "Purchase" at least 2 times'))
    assert done.followers.cohorts == ("vip",)
    assert done.followers.syncs == ("once", "vips")
    assert (await connected.syncs.run("once")).qualified == 40


def test_the_members_of_a_list_have_no_versions(hub, tmp_path):
    (tmp_path / "ids.txt").write_text("a\nb\n")
    hub.lists.add_static("listed", tmp_path / "ids.txt", message="from the fair")
    (tmp_path / "more.txt").write_text("a\nc\n")
    hub.lists.add_static("listed", tmp_path / "more.txt", replace=True)

    assert [each.reason for each in hub.cohorts.versions("listed")] == ["from the fair", ""]
    assert "+   origin: the file more.txt" in hub.cohorts.diff("listed").lines()
    assert hub.cohorts.edit("listed", description="A fair's").changed
    with pytest.raises(UsageError, match="is static: its versions tell"):
        hub.cohorts.revert("listed", 1)
    with pytest.raises(UsageError, match="is static: its members come from the file more"):
        hub.cohorts.edit("listed", text(BUYERS))


def test_cohorts_from_before_the_history_begin_as_its_first_version(tmp_path):
    from alembic.config import Config

    import hub.store.migrate

    store = Store(f"sqlite:///{tmp_path / 'older.db'}")
    config = Config()
    config.set_main_option("script_location", hub.store.migrate.__file__.replace("migrate.py", "migrations"))
    config.attributes["engine"] = store.engine
    command.upgrade(config, "0005")
    at = "2026-01-01 00:00:00.000000"
    with store.writing() as connection:
        connection.exec_driver_sql(f"insert into projects values (1, 'p', 'UTC', 'simplified', '{at}')")
        connection.exec_driver_sql(
            "insert into cohorts (id, project_id, name, description, definition, version, created_at, updated_at) "
            f"""values (7, 1, 'loyal', 'They stay', '{{"version": 1, "did": "A"}}', 1, '{at}', '{at}')"""
        )
    command.upgrade(config, "head")
    with store.reading() as connection:
        row = connection.execute(select(cohort_versions)).one()
    assert (row.cohort_id, row.version, row.change, row.actor) == (7, 1, "made", "")
    assert (row.description, row.definition) == ("They stay", {"version": 1, "did": "A"})
    assert row.at.isoformat() == "2026-01-01T00:00:00+00:00"


_leaves = st.sampled_from([text(each).clause for each in (BUYERS, 'user.plan in ("pro", "team")', "in cohort x")])
_clauses = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda found: AllOf.model_construct(all=tuple(found))),
        st.lists(inner, min_size=1, max_size=4).map(lambda found: AnyOf.model_construct(any=tuple(found))),
        inner.map(lambda found: Not.model_construct(not_=found)),
    ),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(_clauses)
def test_the_lines_of_a_text_read_back_as_the_same_definition(clause):
    definition = Definition.model_construct(version=1, description="", clause=clause)
    assert text("\n".join(clause_lines(definition))).document() == definition.document()


def test_the_commands_edit_tell_and_go_back(cohorts, cli, tmp_path):
    edited = cli("cohort", "edit", "buyers", "--where", RECENT, "-m", "too many", "--json", HUB_ACTOR="anna")
    assert edited.returncode == 0
    figures = json.loads(edited.stdout)
    assert (figures["version"], figures["changed"], figures["syncs"]) == (2, True, [])
    assert "No event is called 'Purchase' yet." in figures["warnings"]

    shown = cli("cohort", "diff", "buyers")
    assert "2: edited by anna" in shown.stderr
    assert ": too many" in shown.stderr
    assert shown.stdout.splitlines() == cohorts.diff("buyers").lines()
    assert json.loads(cli("cohort", "diff", "buyers", "--json").stdout)["to"]["actor"] == "anna"

    assert cli("cohort", "revert", "buyers", "--to", "1").stdout.startswith("buyers has version 3 now.")
    listed = cli("cohort", "show", "buyers", "--versions").stdout.splitlines()
    assert [line.split("\t")[0] for line in listed] == ["version", "3", "2", "1"]
    assert listed[1].split("\t")[3] == "reverted to 1"
    assert [each["version"] for each in json.loads(cli("cohort", "show", "buyers", "--versions", "--json").stdout)] == [
        3,
        2,
        1,
    ]

    idle = cli("cohort", "edit", "buyers")
    assert idle.returncode == 2
    assert "What is to change is not said" in idle.stderr


def test_an_editor_opens_on_a_terminal_and_again_after_a_mistake(cohorts, home, tmp_path):
    editor = tmp_path / "editor.sh"
    editor.write_text(
        "#!/bin/sh\n"
        f'cat "$1" >> {tmp_path}/seen\n'
        f'if [ -e {tmp_path}/second ]; then sed -i s/Purchas/Purchase/ "$1"; else touch {tmp_path}/second; '
        'printf \'did "Purchas in last 3 days\' > "$1"; fi\n'
    )
    editor.write_text(editor.read_text().replace("s/Purchas/Purchase/", "'s/Purchas/Purchase\"/'"))
    editor.chmod(0o700)
    ours, theirs = pty.openpty()
    os.write(ours, b"y\n")
    done = subprocess.run(
        [HUB, "cohort", "edit", "buyers"],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        env={**os.environ, "HUB_HOME": str(home), "EDITOR": str(editor), "VISUAL": ""},
        text=True,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 0, said
    assert (tmp_path / "seen").read_text().startswith('# They bought\ndid "Purchase"\n')
    assert "Edit it again?" in said
    assert cohorts.get("buyers").text == 'did "Purchase" in last 3 days'
    assert cohorts.get("buyers").description == ""
