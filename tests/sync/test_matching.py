"""By which key a member is known, kinds in order of preference, and what becomes of values on the way to a partner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub import Ability, Matching, MatchKey, Outcome, Refusal
from hub.connectors.matching import Kinds, identity_warning, match_of, match_texts
from hub.errors import MappingWrong, UsageError
from hub.sync.states import RunState
from tests.customers import NAMES, describe, email
from tests.sync.tiny import Tiny

SEVERAL = Matching(
    keys=(MatchKey("distinct_id"), MatchKey("$email", "email"), MatchKey("$phone", "phone")),
)


@pytest.fixture
def said(tiny):
    """What the partner is told: verb, kind of key, key and values, member by member."""
    found = []

    async def note(verb, members):
        found.extend((verb, each.match, each.key, dict(each.values)) for each in members)
        return Outcome()

    Tiny.answer = note
    return found


@pytest.fixture
def several(tiny, monkeypatch):
    """The tiny partner knows people by id, address and number; the connection prefers numbers, then addresses."""
    monkeypatch.setattr(Tiny, "matching", SEVERAL)
    tiny.connections.rematch("t", "phone, email")
    return tiny


async def run(hub, name="s"):
    done = await hub.syncs.run(name)
    assert done.state is RunState.DONE, done.message
    return done


def profile(hub, folder: Path, person: str, *, unset=(), **properties):
    """Change somebody's profile."""
    change = {"$unset": [*unset]} if unset else {"$set": properties}
    file = folder / f"{len([*folder.iterdir()])}.jsonl"
    file.write_text(json.dumps({"$distinct_id": person, **change}) + "\n")
    hub.profiles.import_file(str(file))


async def test_the_first_key_that_somebody_has_counts_and_a_change_of_kind_is_a_move(several, said, tmp_path):
    describe(several, tmp_path, NAMES[:3], **{"$phone": "0047 912 34 567"})
    profile(several, tmp_path, "p003", **{"$phone": "91234567"})  # no country's code: the address counts
    profile(several, tmp_path, "p004", **{"$email": "nobody"})
    profile(several, tmp_path, "p005", **{"$email": "$phone:+4791234567"})

    plan = several.syncs.plan("s")
    assert dict(plan.matched.by_kind) == {"$phone": 3, "$email": 35}
    assert dict(plan.plan.skipped) == {"invalid e-mail": 2, "shared key": 2}
    assert [each.person for each in plan.samples["invalid_email"]] == ["p004", "p005"]
    figures = plan.figures()
    assert figures["without_key"] == {"no profile": 0, "no key": 0, "invalid e-mail": 2, "invalid phone": 0}

    await run(several)
    assert [key for _, kind, key, _ in said if kind == "$phone"] == ["+4791234567"]
    assert len([key for _, kind, key, _ in said if kind == "$email"]) == 35

    profile(several, tmp_path, "p010", **{"$phone": "+4740000000"})
    said.clear()
    done = await run(several)
    assert (done.added, done.removed, done.unchanged) == (1, 1, 35)
    assert [each[:3] for each in said] == [
        ("remove", "$email", email("p010")),  # first: to the partner it may be the same person
        ("add", "$phone", "+4740000000"),
    ]
    assert (await run(several)).added == 0


async def test_other_match_keys_hold_the_next_run_and_then_move_everybody(several):
    await run(several)
    several.connections.rematch("t", "distinct_id=$email")

    held = await several.syncs.run("s")
    assert held.state is RunState.HELD
    assert "People are matched by distinct_id=$email, where it was $phone, $email." in held.message
    several.connections.rematch("t", "email")
    done = await run(several)  # the held run makes way, and with these keys nobody moves
    assert (done.added, done.removed, done.unchanged) == (0, 0, 40)


async def test_one_text_under_two_kinds_is_two_keys_and_a_refusal_names_its_kind(several, tmp_path):
    several.connections.rematch("t", "")
    profile(several, tmp_path, "$phone:+47", **{"$email": "x@y.no"})
    kinds = Kinds(SEVERAL)
    assert kinds.text("$phone:+47", "distinct_id") == "distinct_id:$phone:+47"
    for key, kind in (
        ("a", "distinct_id"),
        ("$email:a", "distinct_id"),
        ("distinct_id:", "distinct_id"),
        ("+4", "$phone"),
    ):
        assert kinds.read(kinds.text(key, kind)) == (key, kind)
    assert Kinds(Tiny.matching).several
    single = Kinds(Matching((MatchKey("$email", "email"),)))
    assert (single.text("$phone:a"), single.read("$phone:a")) == ("$phone:a", ("$phone:a", "$email"))

    async def refuse(verb, members):
        return Outcome([Refusal(members[0].key, "no", match=members[0].match)])

    Tiny.answer = refuse
    done = await run(several)
    assert (done.rejected, done.added) == (4, 36)
    assert {each.key for each in several.syncs.rejected(done.id)} == {"p000", "p010", "p020", "p030"}


def test_match_keys_are_read_and_refused(monkeypatch):
    monkeypatch.setattr(Tiny, "matching", SEVERAL)
    assert match_texts(match_of(Tiny, "email=work_email,$phone")) == ["$email=work_email", "$phone"]
    assert [on.prefix for on in match_of(Tiny, ["phone", "distinct_id"])] == ["$phone:", ""]
    assert match_texts(match_of(Tiny, "")) == ["distinct_id", "$email", "$phone"]
    for text, said in (("mail", "knows nobody by mail"), ("email,$email", "twice"), ("email=", "by no property")):
        with pytest.raises(UsageError, match=said):
            match_of(Tiny, text)


async def test_a_project_with_simplified_identity_is_warned_of_any_other_key(several):
    by_id, by_mail = match_of(Tiny, "distinct_id"), match_of(Tiny, "email=work_email")
    assert identity_warning(Tiny, by_id, "simplified") == ""
    assert identity_warning(Tiny, by_mail, "original") == ""
    said = identity_warning(Tiny, by_mail, "simplified")
    assert "Tiny knows people by work_email, not by $user_id" in said
    [kept] = several.connections.get("t").warnings
    assert kept == identity_warning(Tiny, match_of(Tiny, "phone,email"), "simplified")
    assert several.syncs.plan("s").figures()["warnings"] == [kept]
    assert several.connections.rematch("t", "distinct_id=$user_id").warnings == ()


async def test_values_pass_their_steps_and_only_what_they_become_is_compared(tiny, said, tmp_path, monkeypatch):
    monkeypatch.setattr(Tiny, "abilities", frozenset({Ability.REMOVE, Ability.CLEAR}))
    tiny.syncs.change(
        "s",
        mapping={
            "PLAN": {"value": "plan|upper", "missing": "clear"},
            "FIRST": {"value": "first|trim", "missing": "set-if-empty"},
            "BORN": "born|date:%d.%m.%Y",
        },
    )
    profile(tiny, tmp_path, "p000", first=" Ann ", born=7e20)

    done = await run(tiny)
    assert dict(done.unusable) == {"BORN": {"is no date": 1}}
    assert len(said) == 40
    assert ("add", "$email", email("p000"), {"PLAN": "PRO", "FIRST": "Ann"}) in said
    assert (await run(tiny)).updated == 0

    profile(tiny, tmp_path, "p000", plan="PRO", first="Anna", born="1980-05-01")
    assert (await run(tiny)).updated == 1
    assert said[-1][3] == {"BORN": "01.05.1980"}  # the plan is the same, and the first name was set

    profile(tiny, tmp_path, "p000", unset=("plan", "first", "born"))
    assert (await run(tiny)).updated == 1
    assert said[-1][3] == {"PLAN": None}
    assert (await run(tiny)).updated == 0


async def test_a_sync_is_tried_before_it_is_made(tiny, tmp_path, monkeypatch):
    profile(tiny, tmp_path, "p001", **{"$email": email("p000"), "plan": 3})
    before = [each.name for each in tiny.syncs.list()]

    found = tiny.trials.plan("loyal", "t", audience="B", mapping={"PLAN": "plan|lower"})
    assert (found.plan.to_add, dict(found.plan.skipped)) == (39, {"shared key": 1})
    assert [each.figures() for each in found.matched.unusable] == [
        {"target": "PLAN", "property": "plan", "reason": "is no text", "values": 1, "people": ["p001"]}
    ]
    assert [each.name for each in tiny.syncs.list()] == before
    with pytest.raises(UsageError, match="cannot empty a field"):
        tiny.trials.plan("loyal", "t", mapping={"PLAN": {"value": "plan", "missing": "clear"}})

    async def check_mapping(self, targets):
        if "NOPE" in targets:
            raise MappingWrong("There is no field NOPE.")
        raise ValueError("broken")

    assert await tiny.trials.check("t", {"PLAN": "plan"}) == ""
    monkeypatch.setattr(Tiny, "check_mapping", check_mapping)
    with pytest.raises(MappingWrong, match="NOPE"):
        await tiny.trials.check("t", {"NOPE": "plan"})
