"""Bringing the control plane to this hub's schema, forward only."""

from __future__ import annotations

from pathlib import Path

from hub.store.store import SCHEMA_HEAD, Store


def migrate(store: Store) -> None:
    """Create or upgrade the schema to the newest migration. Harmless when it is there already.

    Raises StoreError when the database cannot be used, or a newer hub wrote it.
    """
    from alembic import command
    from alembic.config import Config

    if (store.schema_version() or "") > SCHEMA_HEAD:
        store.check_schema()
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = store.engine
    with store.told():
        command.upgrade(config, "head")
