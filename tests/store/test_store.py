"""The control plane: migrations, locks, and databases that are not ours."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select

import hub.store.migrate
from hub.clock import now
from hub.errors import NotInitialised, StoreError
from hub.store.migrate import migrate
from hub.store.store import SCHEMA_HEAD, Store
from hub.store.tables import metadata, projects


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(f"sqlite:///{tmp_path / 'hub.db'}")
    migrate(made)
    return made


def test_the_migrations_make_exactly_the_tables_that_the_code_declares(store):
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_head_that_the_store_asks_for_is_the_newest_migration():
    folder = hub.store.migrate.__file__.replace("migrate.py", "migrations")

    assert ScriptDirectory(folder).get_current_head() == SCHEMA_HEAD


def test_migrating_twice_changes_nothing(store):
    migrate(store)

    store.check_schema()


def test_a_folder_without_a_database_is_told_to_init(tmp_path):
    with pytest.raises(NotInitialised) as caught:
        Store(f"sqlite:///{tmp_path / 'nothing.db'}").check_schema()

    assert "hub init" in caught.value.hint
    assert not (tmp_path / "nothing.db").exists()


def test_a_database_of_a_newer_hub_is_refused_politely(store, tmp_path):
    with sqlite3.connect(tmp_path / "hub.db") as raw:
        raw.execute("update alembic_version set version_num = '9999'")

    with pytest.raises(StoreError, match="schema 9999"):
        store.check_schema()


def test_a_file_that_is_no_database_is_an_error_for_people(tmp_path):
    (tmp_path / "hub.db").write_bytes(b"this is no database, but it is longer than a header" * 10)

    with pytest.raises(StoreError, match="cannot be used"):
        Store(f"sqlite:///{tmp_path / 'hub.db'}").check_schema()


def test_what_is_raised_inside_a_transaction_undoes_it(store):
    with pytest.raises(RuntimeError), store.writing() as connection:
        connection.execute(projects.insert().values(name="a", timezone="UTC", identity="simplified", created_at=now()))
        raise RuntimeError("stop")

    with store.reading() as connection:
        assert connection.execute(select(projects)).all() == []


def test_a_naive_instant_is_never_stored(store):
    with pytest.raises(Exception, match="no time zone"), store.writing() as connection:
        connection.execute(
            projects.insert().values(name="a", timezone="UTC", identity="simplified", created_at=datetime(2026, 1, 1))
        )
