"""Bringing the control plane to this hub's schema, forward only."""

from __future__ import annotations

from pathlib import Path

from hub.errors import StoreError
from hub.store import postgresql
from hub.store.store import SCHEMA_HEAD, Store


def migrate(store: Store) -> None:
    """Create or upgrade the schema to the newest migration. Harmless when it is there already.

    Raises StoreError when the database cannot be used, keeps texts that are not UTF-8, or a newer hub wrote it.
    """
    from alembic import command
    from alembic.config import Config

    if (store.schema_version() or "") > SCHEMA_HEAD:
        store.check_schema()
    if not store.embedded:
        _check_encoding(store)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = store.engine
    with store.told():
        command.upgrade(config, "head")


def _check_encoding(store: Store) -> None:
    with store.reading() as connection:
        found = postgresql.encoding(connection)
    if found != "UTF8":
        raise StoreError(
            f"The database {store.place} keeps texts as {found}, not as UTF-8.",
            hint="Make another one: createdb --encoding UTF8 --template template0 NAME.",
        )
