"""Making a hub of what a backup held: of this version, without the traces of the processes that it was taken from."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
from sqlalchemy import select

from hub.errors import SecretsUnreadable
from hub.intake.log import IntakeLog
from hub.intake.position import renew
from hub.lake.lake import Lake
from hub.lake.reading import reading
from hub.lake.tables import HELD
from hub.private import make_private
from hub.settings import Settings
from hub.store.migrate import migrate
from hub.store.secrets import make_key_file, open_vault
from hub.store.store import Store
from hub.store.tables import audiences, connections, leases, pulls, warehouses
from hub.sync.held import held_by


@dataclass(frozen=True)
class Revived:
    """What a restored hub is like: in how many audiences it is no longer certain of who is there."""

    uncertain: int


def revive(settings: Settings, *, certain: bool) -> Revived:
    """Bring a restored hub up to this version, and let it go on from where it stood. May be repeated.

    Leases of the processes that it was taken from are given up. The intake log gets a new epoch: what waits in it is
    moved under another name than in the hub that the backup was made of. Unless `certain`, whom the hub has put into
    audiences counts as perhaps there. Raises StoreError.
    """
    store = Store(settings.control_plane_url)
    migrate(store)
    lake = Lake(settings.lake_root)
    lake.create()
    with store.writing() as connection:
        for table in (leases, audiences, pulls):
            connection.execute(table.update().values(lease_owner=None, lease_until=None))
    log = IntakeLog(settings.intake_url)
    if log.exists():
        renew(log, store)
    log.close()
    uncertain = 0 if certain else sum(_doubt(settings, lake, audience) for audience in _live_audiences(store))
    store.engine.dispose()
    make_private(settings.home)
    return Revived(uncertain)


def _live_audiences(store: Store) -> list[int]:
    with store.reading() as connection:
        return [*connection.execute(select(audiences.c.id).where(audiences.c.gone_at.is_(None))).scalars()]


def _doubt(settings: Settings, lake: Lake, audience_id: int) -> bool:
    """Let everybody who is held in an audience be perhaps there. Returns whether anybody is."""
    with reading(lake, memory_limit=settings.memory_limit, threads=settings.threads) as reader:
        held = held_by(reader, audience_id)
        if not reader.value(held.count()):
            return False
        newest = reader.value(held.run_id.max())
        doubted = held.mutate(certain=ibis.literal(False), run_id=ibis.literal(newest, "int64"))[HELD.schema.names]
        lake.replace(
            HELD, reader.batches(doubted), predicate=f"audience_id = {audience_id}", seen=reader.snapshot(HELD)
        )
    return True


def opens_secrets(settings: Settings) -> bool:
    """Whether the key at hand opens the secrets of connections and warehouses; without any of them a key is made."""
    store = Store(settings.control_plane_url)
    with store.reading() as connection:
        of_connections = select(connections.c.secrets).where(connections.c.removed_at.is_(None)).limit(1)
        of_warehouses = select(warehouses.c.secrets).limit(1)
        sealed = connection.execute(of_connections).scalar() or connection.execute(of_warehouses).scalar()
    store.engine.dispose()
    if sealed is None and settings.key is None:
        make_key_file(settings.key_file)
    try:
        vault = open_vault(settings)
        if sealed is not None:
            vault.open(sealed)
    except SecretsUnreadable:
        return False
    return True
