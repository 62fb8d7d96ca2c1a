"""Identity from a file to the lake: killed anywhere, repeated, as known at an instant, and compacted away."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from hub.clock import now
from hub.errors import StoreError
from hub.lake.lake import Lake
from hub.people.identity import Link, apply_links, publish_identity
from hub.people.identity_known import Known
from hub.store.tables import identities_closed
from tests.people.telling import MIDNIGHT, learn, people, published, use
from tests.people.telling import links as links_in
from tests.people.test_views import _owners


def _file(folder, *events):
    lines = [
        {"event": "Open", "properties": {"time": MIDNIGHT + number, "$insert_id": f"i{number}", **sent}}
        for number, sent in enumerate(events)
    ]
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


ANN = {"$device_id": "phone", "$user_id": "ann"}


def _killed(*_arguments, **_more):
    raise StoreError("killed")


def test_a_file_tells_who_is_who(hub, tmp_path):
    hub.events.import_file(_file(tmp_path, {"$device_id": "phone"}, ANN, {"$device_id": "phone"}))

    assert _owners(hub.workspace) == [("$device:phone", "ann")] * 2 + [("ann", "ann")]


@pytest.mark.parametrize(
    "step",
    [
        "lake.lake.Lake.append",
        "events.ledger.record",
        "people.identity_learning.publish_identity",
        "events.ledger.finish",
    ],
)
def test_a_file_that_is_killed_anywhere_ends_as_one_that_was_not(hub, tmp_path, monkeypatch, step):
    file = _file(tmp_path, {"$device_id": "phone"}, ANN)

    with monkeypatch.context() as patch, pytest.raises(StoreError, match="killed"):
        patch.setattr(f"hub.{step}", _killed)
        hub.events.import_file(file)
    hub.events.import_file(file)

    assert _owners(hub.workspace) == [("$device:phone", "ann"), ("ann", "ann")]


def test_a_transaction_that_is_rolled_back_has_learnt_nothing(workspace):
    found = links_in(workspace, "Open", **ANN)
    with pytest.raises(RuntimeError), workspace.store.writing() as connection:
        assert apply_links(connection, workspace.project, found, now()) == 1
        raise RuntimeError("killed")

    assert people(workspace) == {}
    assert learn(workspace, found) == 1
    assert learn(workspace, found) == 0
    assert people(workspace) == {"$device:phone": "ann"}


def test_publishing_again_adds_nothing_and_a_killed_one_is_made_good(workspace, monkeypatch):
    monkeypatch.setattr("hub.people.identity_publishing._PAGE", 2)
    for number in range(5):
        use(workspace, f"d{number}", "bob", 100)
    use(workspace, "d0", "ann", 50)
    where = workspace.store, workspace.lake, workspace.project.id

    assert publish_identity(*where) == 6, "of the first device the interval that began, and the one that ended"
    assert publish_identity(*where) == 0
    use(workspace, "d1", "ann", 50)
    whole = Lake.append

    def killed(self, *arguments, **more):
        whole(self, *arguments, **more)
        raise StoreError("killed")

    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(Lake, "append", killed)
        publish_identity(*where)

    assert publish_identity(*where) == 0, "its commit was there"
    assert published(workspace) == people(workspace)
    assert published(workspace)["$device:d1"] == "ann"


def test_a_device_that_changes_hands_is_known_as_it_was_at_each_instant(workspace):
    use(workspace, "phone", "bob", 100)
    before = now()
    published(workspace)
    use(workspace, "phone", "ann", 50)
    between = now()
    use(workspace, "phone", "zoe", 10)

    assert published(workspace) == {"$device:phone": "zoe"}
    assert published(workspace, known_at=before) == {"$device:phone": "bob"}
    assert published(workspace, known_at=between) == {"$device:phone": "ann"}
    assert published(workspace, known_at=datetime(2020, 1, 1, tzinfo=UTC)) == {}
    with workspace.store.reading() as connection:
        [first, second] = connection.execute(select(identities_closed).order_by(identities_closed.c.seq)).all()
    assert first.known_to == second.known_from, "one ends where the next begins"


def test_what_is_known_goes_forward_whatever_the_clock_does(workspace, monkeypatch):
    use(workspace, "phone", "bob", 100)
    monkeypatch.setattr("tests.people.telling.now", lambda: datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=900))
    use(workspace, "phone", "ann", 50)

    with workspace.store.reading() as connection:
        [ended] = connection.execute(select(identities_closed)).all()
    assert ended.known_from < ended.known_to
    assert published(workspace) == {"$device:phone": "ann"}


def test_what_is_remembered_is_bounded_and_an_earlier_time_is_news(monkeypatch):
    monkeypatch.setattr("hub.people.identity_known._MOST", 8)
    monkeypatch.setattr("hub.people.identity_known._RUN", 4)
    remembered = Known()
    sent = [Link("device", f"$device:{number}", "ann", 100) for number in range(30)]
    for start in range(0, 30, 3):
        remembered.remember(1, sent[start : start + 3])

    assert remembered.unknown(1, sent)[:20] == sent[:20]
    assert remembered.unknown(1, sent[-3:]) == []
    assert remembered.unknown(2, sent[-3:]) == sent[-3:], "of another project"
    earlier = sent[-1]._replace(time=99)
    assert remembered.unknown(1, [sent[-1], earlier]) == [earlier]
    remembered.remember(1, [earlier])
    assert remembered.unknown(1, [sent[-1], earlier]) == []
