"""The control plane on a real PostgreSQL keeps what SQLite keeps: turns, texts, and words for what goes wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from checks.postgresql import server
from hub.clock import now
from hub.errors import StoreError
from hub.intake.log import IntakeLog
from hub.settings import load
from hub.status import diagnose
from hub.store.migrate import migrate
from hub.store.store import SCHEMA_HEAD, Store
from hub.store.tables import intake_progress, projects


@pytest.fixture
def url(postgresql):
    name = postgresql.make()
    yield postgresql.url(name)
    postgresql.drop(name)


def test_two_that_migrate_at_once_make_the_schema_once_and_writers_take_turns(url):
    stores = [Store(url) for _ in range(3)]
    code = f"from hub.store.migrate import migrate; from hub.store.store import Store; migrate(Store({url!r}))"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    with ThreadPoolExecutor(3) as at_once:
        assert [*at_once.map(lambda store: IntakeLog(url).create(), stores)] == [None] * 3
    assert stores[0].schema_version() == SCHEMA_HEAD
    with stores[0].writing() as connection:
        connection.execute(intake_progress.insert().values(epoch="e", applied=0))

    def count(store):
        for _ in range(20):
            with store.writing() as connection:
                found = connection.execute(select(intake_progress.c.applied)).scalar_one()
                connection.execute(intake_progress.update().values(applied=found + 1))

    with ThreadPoolExecutor(3) as at_once:
        [*at_once.map(count, stores)]
    with stores[0].reading() as connection:
        assert connection.execute(select(intake_progress.c.applied)).scalar_one() == 60
        with stores[1].writing() as other:
            other.execute(intake_progress.update().values(applied=0))
        assert connection.execute(select(intake_progress.c.applied)).scalar_one() == 60, "a reader sees one instant"


def test_texts_of_any_length_with_any_character_stay_as_they_are_in_the_order_of_their_characters(url):
    store = Store(url)
    migrate(store)
    names = ["a\0b", "a\uf8f00b", "\uf8f0", "B", "a", "é", "x" * 2_000]
    with store.writing() as connection:
        for name in names:
            values = {"timezone": "UTC", "identity": "simplified", "created_at": now()}
            connection.execute(projects.insert().values(name=name, **values))

    with store.reading() as connection:
        found = [*connection.execute(select(projects.c.name).order_by(projects.c.name)).scalars()]
        assert sorted(found) == sorted(names)
        assert found[:2] == ["B", "a"]
        assert connection.execute(select(func.count()).where(projects.c.name == "a\0b")).scalar_one() == 1


def test_a_server_that_goes_away_is_a_sentence_without_the_password_and_all_goes_on_when_it_is_back(tmp_path):
    with server() as own:
        store = Store(own.url(own.make()).replace("postgres@", "postgres:s3cret@"))
        migrate(store)
        own.stop()
        with pytest.raises(StoreError) as caught, store.reading(patience=0):
            pass
        assert "s3cret" not in f"{caught.value} {caught.value.hint} {store.place}"
        back = threading.Timer(1.0, own.start)
        back.start()
        with store.writing(patience=30) as connection:
            connection.execute(intake_progress.insert().values(epoch="e", applied=1))
        back.join()


def test_the_doctor_names_the_server(tmp_path, homes_on_postgresql):
    with homes_on_postgresql.new(tmp_path / "home") as home:
        found = {each.subject: each for each in diagnose(load(home))}

    assert found["database"].ok
    assert "PostgreSQL" in found["database"].said
