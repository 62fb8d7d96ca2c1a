"""What makes a delivery quick must not change what is delivered, nor what is written down of it."""

from __future__ import annotations

import asyncio

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cohorts.mapped import EMPTIED, decode
from hub.connectors.contract import Matching, MatchKey, Outcome, Refusal
from hub.connectors.matching import Kinds
from hub.errors import StoreError
from hub.store.tables import batches, exceptions
from hub.sync import refused as refused_module
from hub.sync.batches import Batch
from hub.sync.documents import documents
from hub.sync.noting import Acknowledged, Owed, Sent, Writer
from hub.sync.planned import PlanReader
from hub.sync.states import Action, BatchState
from tests.by_target import column
from tests.sync.tiny import Tiny

EMAILS = Kinds(Matching(keys=(MatchKey("$email"),)))

_texts = st.text(st.characters(codec="utf-8"), max_size=8)
_numbers = st.floats(allow_nan=False) | st.integers(-10, 10)
_typed = st.one_of(
    st.none(),
    st.just(EMPTIED),
    _texts.map("s:{}".format),
    _numbers.map("n:{}".format),
    st.sampled_from(["b:true", "b:false"]),
    st.lists(_texts | st.integers(-(2**63), 2**63 - 1), max_size=3).map(
        lambda found: "l:" + orjson.dumps(found).decode()
    ),
)
_rows_of_texts = st.lists(_texts, max_size=4, unique=True).flatmap(
    lambda targets: st.lists(st.fixed_dictionaries(dict.fromkeys(targets, _typed)), min_size=1, max_size=5)
)


@settings(max_examples=60, deadline=None)
@given(_rows_of_texts, st.integers(0, 2))
def test_json_of_many_values_reads_as_each_typed_text_does(rows, from_row):
    values = column(rows)[from_row:]

    made = documents(values) if len(values) else None

    told = [{name: row[name] for name in sorted(row) if row[name] is not None} for row in rows[from_row:]]
    if made is None:
        assert not told or any(text.startswith(("n:", "l:")) for row in told for text in row.values() if text)
    else:
        found = [orjson.loads(text.removesuffix(",")) for text in made.to_pylist()]
        assert found == [{name: decode(text) for name, text in row.items()} for row in told]
        assert [list(row) for row in found] == [list(row) for row in told]


@pytest.mark.parametrize("odd", ["n:7", "n:inf", "l:[NaN]"])
def test_a_value_that_json_would_read_otherwise_is_decoded_by_itself(tmp_path, odd):
    rows = PlanReader(_plan(tmp_path, [{"a": odd, "b": 's:"\\\n', "c": None}, {"a": "n:2.5"}])).rows(0, 2)

    members = rows.members(Action.ADD, EMAILS)

    assert repr(members[0].values) == repr({"a": decode(odd), "b": '"\\\n'})
    assert type(members[0].values["a"]) is type(decode(odd))
    assert members[1].values == {"a": 2.5}


def test_ranges_of_a_plan_are_read_across_its_groups_of_rows(tmp_path):
    plan = PlanReader(_plan(tmp_path, [{"n": f"n:{number}.0"} for number in range(10)], group=4))

    for first, size in [(0, 3), (3, 3), (2, 7), (9, 1)]:
        rows = plan.rows(first, size)
        assert rows.keys == [f"k{number}" for number in range(first, first + size)]
        members = rows.members(Action.UPDATE, EMAILS)
        assert [member.values["n"] for member in members] == [*range(first, first + size)]
        assert {member.match for member in members} == {"$email"}
        assert [who.person for who in rows.planned({"k8", "k2"})] == [
            f"p{n}" for n in (2, 8) if first <= n < first + size
        ]
    assert plan.rows(0, 2).members(Action.CLEAR, EMAILS)[1].values == {"n": None}


async def test_what_waits_is_written_in_one_transaction_and_who_cannot_be_written_keeps_nobody_from_it(
    tiny, tmp_path, monkeypatch
):
    await tiny.syncs.run("s")
    run, ledger = tiny.syncs.runs("s")[0], _ledger(tiny)
    with tiny.workspace.store.writing() as connection:
        connection.execute(batches.update().values(state=BatchState.SENT))
    known = ledger.batches(run.id)
    notes, transactions = ledger.notes(1, "1"), []
    whole = notes.write
    monkeypatch.setattr(notes, "write", lambda some: (transactions.append(len(some)), whole(some)))
    alien = Acknowledged(known[1], _rows(tmp_path), Outcome(request_id="\ud800"))  # no database can hold it

    async with Writer(notes) as writer:
        await asyncio.gather(*(writer.note(Sent(batch)) for batch in known))
        assert transactions == [len(known)]
        transactions.clear()
        told = await asyncio.gather(
            writer.note(Sent(known[0])), writer.note(alien), writer.note(Owed(known[2], "away")), return_exceptions=True
        )

    assert [type(each).__name__ for each in told] == ["NoneType", "UsageError", "NoneType"]
    assert transactions == [3, 1, 1, 1]
    states = [batch.state for batch in ledger.batches(run.id)]
    assert states[:3] == [BatchState.SENT, BatchState.SENT, BatchState.OWED]
    assert [batch.attempts for batch in ledger.batches(run.id)][:2] == [3, 2]


async def test_a_disk_that_is_full_is_told_to_everybody_who_waits(tiny, monkeypatch):
    notes = _ledger(tiny).notes(1, "1")

    def full(some):
        raise StoreError("the disk is full")

    monkeypatch.setattr(notes, "write", full)
    batch = Batch(1, 1, Action.ADD, 0, 1, BatchState.PLANNED, 0, 0)
    async with Writer(notes) as writer:
        told = await asyncio.gather(*(writer.note(Sent(batch)) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [StoreError] * 3


@pytest.mark.parametrize("kept_in_mind", [100, 3])
async def test_a_refusal_is_forgotten_when_its_member_is_taken_however_many_there_are(tiny, monkeypatch, kept_in_mind):
    monkeypatch.setattr(refused_module, "_KEPT_IN_MIND", kept_in_mind)

    async def refuses(verb, members):
        return Outcome([Refusal(member.key, "no") for member in members[:5]])

    Tiny.answer = refuses
    refused = await tiny.syncs.run("s")
    monkeypatch.setattr(Tiny, "version", "2")  # parked members are tried again
    Tiny.answer = None
    taken = await tiny.syncs.run("s")

    assert (refused.rejected, taken.rejected) == (20, 0)
    with tiny.workspace.store.reading() as connection:
        assert connection.execute(exceptions.select()).all() == []
        assert {row.rejected for row in connection.execute(batches.select().where(batches.c.run_id == taken.id))} == {0}


def _ledger(hub):
    from hub.sync.ledger import Ledger

    return Ledger(hub.workspace.store)


def _plan(folder, sent, *, group: int = 100):
    rows = range(len(sent))
    table = pa.table(
        {
            "key": [f"k{number}" for number in rows],
            "person": [f"p{number}" for number in rows],
            "fingerprint": [f"f{number}" for number in rows],
            "send": column(sent),
        }
    )
    pq.write_table(table, folder / "plan.parquet", row_group_size=group)
    return folder / "plan.parquet"


def _rows(folder):
    return PlanReader(_plan(folder, [{}])).rows(0, 1)
