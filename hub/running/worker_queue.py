"""The queue that workers share: Procrastinate's tables on the hub's PostgreSQL, in a schema of their own.

A job is a hint that something is due, and no more: what is due, who works on it and how far it is stand in the hub's
own tables. So a job may be lost, or come twice, and nothing is lost or done twice. That is why a queue that another
version of Procrastinate left needs no migration: each version has its own schema, and one that nobody uses is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from procrastinate import App, PsycopgConnector, exceptions
from procrastinate.jobs import Status
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from hub.errors import StoreError

if TYPE_CHECKING:
    from procrastinate.jobs import Job

    from hub.store.store import Store

T = TypeVar("T")

HEARTBEAT = 2.0
"""Seconds between two signs of life of a worker in the queue."""
STALLED = 8.0
"""What a worker had taken from the queue is given to others when it has been silent for so many seconds. If it lives
all the same, the others find that it works on it, by its lease."""
FORGOTTEN = 3600.0
"""Seconds of silence after which a worker is not known any more."""

_AGAIN_AFTER = 1.0  # seconds, while the server is away
_PREFIX = "hub_jobs_"


def schema_name() -> str:
    """The schema of the queue: of the newest migration that the installed Procrastinate brings, as 03.04.00."""
    versions = [path.name[:8] for path in Path(SchemaManager.get_migrations_path()).glob("*.sql")]
    return _PREFIX + re.sub(r"\D", "", max(versions))


def make_schema(store: Store) -> None:
    """Make the queue's tables, unless they are there. Several may come at once. Raises StoreError."""
    name = schema_name()
    with store.writing() as connection:
        if connection.execute(text("SELECT to_regnamespace(:name)"), {"name": name}).scalar() is not None:
            return
        connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
        connection.exec_driver_sql(f'SET LOCAL search_path TO "{name}"')
        raw: Any = connection.connection.driver_connection
        raw.execute(SchemaManager.get_schema())  # without parameters: many statements at once


def drop_unused(store: Store) -> None:
    """Drop the queues of other versions of Procrastinate that no worker has used for an hour. Raises StoreError.

    A schema of such a name that has no workers is somebody else's, and left alone.
    """
    used = "SELECT count(*) FROM {}.procrastinate_workers WHERE last_heartbeat > now() - interval '1 hour'"
    names = text(
        "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, :prefix) AND nspname <> :own "
        "AND to_regclass(format('%I.procrastinate_workers', nspname)) IS NOT NULL"
    )
    with store.writing() as connection:
        raw: Any = connection.connection.driver_connection
        for (name,) in connection.execute(names, {"prefix": _PREFIX, "own": schema_name()}).all():
            if not raw.execute(sql.SQL(used).format(sql.Identifier(name))).fetchone()[0]:
                raw.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


class PatientConnector(PsycopgConnector):
    """Waits for a server that went away, until `ending` says so. `told` is told of it each time."""

    def __init__(self, *, told: Callable[[Exception | None], None], ending: Callable[[], bool], **pool: Any) -> None:
        super().__init__(**pool)
        self._told, self._ending = told, ending

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:
        """As of Procrastinate's."""
        await self._patiently(lambda: PsycopgConnector.execute_query_async(self, query, **arguments))

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:
        """As of Procrastinate's."""
        return await self._patiently(lambda: PsycopgConnector.execute_query_one_async(self, query, **arguments))

    async def execute_query_all_async(self, query: Any, **arguments: Any) -> list[dict[str, Any]]:
        """As of Procrastinate's."""
        return await self._patiently(lambda: PsycopgConnector.execute_query_all_async(self, query, **arguments))

    async def listen_notify(self, on_notification: Any, channels: Iterable[str]) -> None:
        """As of Procrastinate's."""
        listened = [*channels]
        await self._patiently(lambda: PsycopgConnector.listen_notify(self, on_notification, listened))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                found = await ask()
            except exceptions.ConnectorException as error:
                if self._ending() or not isinstance(error.__cause__, psycopg.OperationalError | psycopg.InterfaceError):
                    raise
                self._told(error.__cause__)
                await asyncio.sleep(_AGAIN_AFTER)
            else:
                self._told(None)
                return found


def make_app(store: Store, *, told: Callable[[Exception | None], None], ending: Callable[[], bool]) -> App:
    """Procrastinate on the queue's schema of the hub's PostgreSQL. It is told of, and waits for, a server that is away.

    What it logs is for nobody: the worker tells what happens.
    """
    for name in ("procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    _, parameters = store.engine.dialect.create_connect_args(store.url)
    known: dict[str, Any] = {name: value for name, value in parameters.items() if isinstance(value, str | int)}
    options = f"{known.pop('options', '')} -c search_path={schema_name()}".strip()
    address = make_conninfo(
        **{"application_name": "cohort-hub worker", "connect_timeout": 10, **known}, options=options
    )
    return App(
        connector=PatientConnector(told=told, ending=ending, conninfo=address, min_size=1, max_size=6, timeout=10.0)
    )


@dataclass(frozen=True)
class Queue:
    """The jobs of one kind of work, in a queue of that name."""

    app: App
    name: str

    async def keys(self) -> tuple[set[str], int]:
        """The keys of all jobs that wait, are put off or are in hand; and how many wait for a free hand."""
        keys: set[str] = set()
        waiting = 0
        for status in (Status.TODO, Status.DOING):
            for job in await self.app.job_manager.list_jobs_async(queue=self.name, status=status.value):
                keys.add(job.queueing_lock or "")
                waiting += status is Status.TODO and job.scheduled_at is None
        return keys, waiting

    async def put(self, task: str, key: str, arguments: dict[str, Any], *, after: float = 0.0) -> None:
        """Have a task done, after so many seconds; unless a job with this key waits already."""
        options: dict[str, Any] = {"schedule_in": {"seconds": round(after)}} if after else {}
        with suppress(exceptions.AlreadyEnqueued):
            await self.app.configure_task(task, queue=self.name, queueing_lock=key, **options).defer_async(**arguments)

    async def take_back(self) -> None:
        """Forget what workers had in hand that have been silent: what is due of it will be put again."""
        for job in await self.app.job_manager.get_stalled_jobs(queue=self.name, seconds_since_heartbeat=STALLED):
            await self._forget(job)

    async def take_back_own(self, worker_id: int, in_hand: set[int], before: set[int]) -> set[int]:
        """Forget what this worker took while the server went away, and knows nothing of: neither now nor `before`.
        Returns what it knows nothing of now."""
        mine = await self.app.job_manager.list_jobs_async(
            queue=self.name, status=Status.DOING.value, worker_id=worker_id
        )
        unknown = {job.id: job for job in mine if job.id and job.id not in in_hand}
        for number in unknown.keys() & before:
            await self._forget(unknown[number])
        return set(unknown)

    async def _forget(self, job: Job) -> None:
        with suppress(exceptions.ConnectorException):  # somebody else has, or it has ended after all
            await self.app.job_manager.finish_job(job, status=Status.FAILED, delete_job=True)


def unusable(error: Exception, store: Store) -> StoreError:
    """A server that is away, in words."""
    said = next(iter(str(error).strip().splitlines()), type(error).__name__).strip(" .")
    return StoreError(f"The queue in {store.place} cannot be used: {said}.", hint="It is tried again each second.")
