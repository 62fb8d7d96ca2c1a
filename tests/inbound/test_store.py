"""Message events on their way into the lake: each once, whoever brings them, and however many at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.connectors.messages import MessageEvent, MessageEventKind, MessageEvents
from hub.inbound import store
from hub.lake.tables import EVENTS

KNOWN = MessageEvents("acme", "https://acme.example/events", (MessageEventKind("open", "Acme - Open", exempt=False),))
AT = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)


def events(*numbers: int, at: datetime = AT) -> list[MessageEvent]:
    return [MessageEvent("open", f"e{number}", ("$email", "ann@example.com"), at) for number in numbers]


def ids(workspace) -> list[str]:
    with workspace.reading_here() as reader:
        return sorted(
            value for batch in reader.batches(reader.table(EVENTS)) for value in batch["insert_id"].to_pylist()
        )


def test_two_that_store_the_same_events_at_once_store_each_once(workspace, monkeypatch):
    look, others = store._not_stored, []

    def looked(*arguments):
        found = look(*arguments)
        if not others:  # another process stores some of them in this very instant
            others.append(None)
            others.append(store.store_events(workspace, 1, "acme", KNOWN, events(1, 2)))
        return found

    monkeypatch.setattr(store, "_not_stored", looked)
    new = store.store_events(workspace, 1, "acme", KNOWN, events(1, 2, 3, 3))

    assert others[1] == {"Acme - Open": 2}
    assert new == {"Acme - Open": 1}
    assert ids(workspace) == ["e1", "e2", "e3"]


def test_an_event_that_is_told_again_with_another_time_is_the_same_one_and_another_connections_is_not(workspace):
    store.store_events(workspace, 1, "acme", KNOWN, events(1))

    assert not store.store_events(workspace, 1, "acme", KNOWN, events(1, at=AT - timedelta(days=30)))
    assert not store.store_events(workspace, 1, "acme", KNOWN, events(1, at=AT + timedelta(days=30)))
    assert store.store_events(workspace, 2, "other", KNOWN, events(1)).total() == 1
    assert ids(workspace) == ["e1", "e1"]
