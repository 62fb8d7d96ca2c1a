"""When something about somebody came in, and which files are opened to tell."""

from __future__ import annotations

from datetime import timedelta

from hub.clock import now
from hub.lake.tables import EVENTS
from hub.people.arrivals import first_arrivals
from tests.customers import NAMES, buy


def test_what_came_in_since_is_found_without_opening_files_that_have_nothing_of_it(hub, tmp_path):
    buy(hub, tmp_path, NAMES[:3])
    between = now()
    buy(hub, tmp_path, NAMES[2:5], event="Returned", times=1)
    project = hub.workspace.project

    def arrived(reader, after, events) -> set[str]:
        found = first_arrivals(reader, project, after=after, until=now(), events=events)
        return {row["person"] for batch in reader.batches(found) for row in batch.to_pylist()}

    with hub.workspace.reading_here() as reader:
        events = reader.snapshot(EVENTS)
        assert 0 < len(events.newer("received_at", between)) < len(events.files())
        assert events.newer("received_at", now() + timedelta(hours=1)) == []
        assert arrived(reader, between, {"Returned"}) == {*NAMES[2:5]}
        assert arrived(reader, between - timedelta(hours=1), None) == {*NAMES[:5]}
        assert arrived(reader, between, {"Purchase"}) == arrived(reader, now(), None) == set()
