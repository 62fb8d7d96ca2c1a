"""The control plane: migrations, locks, and databases that are not ours."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

import hub.store.migrate
from hub.clock import now
from hub.errors import NotInitialised, StoreError
from hub.store.migrate import migrate
from hub.store.store import SCHEMA_HEAD, Store
from hub.store.tables import cohorts, metadata, projects, syncs


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


def _config(store) -> Config:
    config = Config()
    config.set_main_option("script_location", hub.store.migrate.__file__.replace("migrate.py", "migrations"))
    config.attributes["engine"] = store.engine
    return config


def _with_a_sync_of_before_removals(tmp_path) -> Store:
    store = Store(f"sqlite:///{tmp_path / 'older.db'}")
    command.upgrade(_config(store), "0003")
    at = "2026-01-01 00:00:00"
    with store.writing() as connection:
        for statement in (
            "insert into projects (id, name, timezone, identity, created_at) "
            f"values (1, 'default', 'UTC', 'simplified', '{at}')",
            f"insert into cohorts values (7, 1, 'loyal', '', '{{}}', 1, '{at}', '{at}', null, null)",
            "insert into connections values "
            f"(8, 1, 'news', 'm', '{{}}', '', 'connected', '', '', '', '{at}', '{at}', '{at}')",
            f"insert into syncs values (9, 1, 's', 7, 8, 'A', '{{}}', 60, 'active', '', '{at}', 0, '{at}', '{at}')",
        ):
            connection.exec_driver_sql(statement)
    return store


def test_a_database_with_rows_that_refer_to_each_other_is_migrated_whole(tmp_path):
    store = _with_a_sync_of_before_removals(tmp_path)

    migrate(store)

    with store.writing() as connection:
        assert [*connection.execute(select(syncs.c.id, syncs.c.cohort_id, syncs.c.removed_at))] == [(9, 7, None)]
        with pytest.raises(IntegrityError, match="FOREIGN KEY"):
            connection.execute(cohorts.delete())


def test_a_migration_that_breaks_off_has_changed_nothing(tmp_path, monkeypatch):
    store = _with_a_sync_of_before_removals(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("alembic.op.create_index", _killed)
        with pytest.raises(KeyboardInterrupt):
            migrate(store)
    assert store.schema_version() == "0003"

    migrate(store)

    store.check_schema()


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


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
