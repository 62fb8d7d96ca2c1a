"""Simplified ID merge: a device belongs to the first user that was seen on it, for all its events, before and after.

First is by the time of the event, then by the smaller user id, whatever the order in which events come. Two users are
never one person: a device is linked to one of them, and users to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Delete, bindparam

from hub.people.identity_links import DEVICE, TAKEN, Link
from hub.people.identity_state import Belonging, belonging, change, intervals, record
from hub.store.tables import identity_links


def apply_device_links(connection: Connection, project_id: int, links: Sequence[Link], at: datetime) -> int:
    """Apply links of devices. Returns how many ids have another person than before.

    Who used a device after its first user is kept in `identity_links`, as a link that failed.
    """
    devices: dict[str, dict[str, int]] = {}
    for link in links:
        users = devices.setdefault(link.one, {})
        users[link.other] = min(link.time, users.get(link.other, link.time))
    present = belonging(connection, project_id, devices)
    after: dict[str, Belonging] = {}
    others: dict[Link, str] = {}
    freed: list[dict[str, str]] = []
    for device, users in devices.items():
        old = present.get(device)
        if old:
            users[old.person] = min(old.linked_at, users.get(old.person, old.linked_at))
        linked_at, first = min((time, user) for user, time in users.items())
        if old != (first, linked_at):
            after[device] = Belonging(first, linked_at)
        if old and old.person != first:
            freed.append({"device": device, "user": first})
        if len(users) > 1:
            others.update((Link(DEVICE, device, user, time), TAKEN) for user, time in users.items() if user != first)
    record(connection, project_id, others)
    if freed:
        connection.execute(_first_now(project_id), freed)
    return change(connection, project_id, intervals(connection, project_id, after.keys() & present), after, at)


def _first_now(project_id: int) -> Delete:
    """Whoever turns out to be the first user did not fail."""
    table = identity_links.c
    this = (table.project_id == project_id, table.kind == DEVICE)
    return identity_links.delete().where(*this, table.one == bindparam("device"), table.other == bindparam("user"))
