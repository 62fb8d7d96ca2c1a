"""The queue's schemas: an unused one of another version is dropped, and nothing else is."""

from __future__ import annotations

from sqlalchemy import text

from hub.app import Hub
from hub.running.worker_queue import drop_unused, make_schema, schema_name

_OTHERS = {"hub_jobs_000001": None, "hub_jobs_010000": "2 hours", "hub_jobs_020000": "1 minute"}


def test_queues_that_no_worker_has_used_for_an_hour_are_dropped_and_others_are_left(tmp_path, homes_on_postgresql):
    with homes_on_postgresql.new(tmp_path / "home") as home:
        store = Hub.open(home).workspace.store
        make_schema(store)
        with store.writing() as connection:
            for name, silent in _OTHERS.items():
                connection.execute(text(f"CREATE SCHEMA {name}"))
                if silent:  # the first is somebody else's: it has no workers
                    connection.execute(text(f"CREATE TABLE {name}.procrastinate_workers (last_heartbeat timestamptz)"))
                    row = f"INSERT INTO {name}.procrastinate_workers VALUES (now() - interval '{silent}')"
                    connection.execute(text(row))

        drop_unused(store)
        drop_unused(store)

        with store.reading() as connection:
            left = connection.execute(text("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'hub_jobs_')"))
            assert {*left.scalars()} == {"hub_jobs_000001", "hub_jobs_020000", schema_name()}
