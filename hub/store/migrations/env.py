"""Alembic's entry: runs the migrations on the engine that `hub.store.migrate` hands over.

Each run is one transaction: whoever is killed in the middle has changed nothing, and who comes second waits and finds
nothing to do. On SQLite, where most changes of a table make it anew, foreign keys are looked at when all is done and
not while the old table is taken away. On PostgreSQL, texts are made as plain as they are on SQLite.
"""

from alembic import context
from sqlalchemy import Connection

from hub.store import postgresql
from hub.store.tables import metadata

_PATIENCE = 600  # seconds: another process may be migrating much


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    context.run_migrations()


with context.config.attributes["engine"].connect() as connection:
    if connection.dialect.name == "sqlite":
        connection.detach()  # whatever happens, nobody gets this one without its foreign keys
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")  # has no effect within a transaction
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        _migrate(connection)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise RuntimeError(f"the migrations would leave rows that refer to nothing: {broken[:3]}")
    else:
        postgresql.take_turn(connection, "control plane", waits=_PATIENCE)
        _migrate(connection)
        postgresql.make_texts_plain(connection, [*metadata.tables])
    connection.commit()
