"""Who is who: links found in events, applied to the control plane, and from there to the lake.

What the rest of the hub uses of identity. The rules are in `identity_simplified` and `identity_original`;
docs/identity.md tells them to people.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from hub.people.identity_clusters import MOST_IDS
from hub.people.identity_explained import Cluster, explain_cluster
from hub.people.identity_known import known, remember_when_committed
from hub.people.identity_links import Link, links_of
from hub.people.identity_original import apply_identity_links
from hub.people.identity_publishing import publish_identity
from hub.people.identity_simplified import apply_device_links
from hub.people.identity_state import resolve
from hub.people.profile_state import lock
from hub.workspace import Project

__all__ = [
    "Cluster",
    "Link",
    "apply_links",
    "explain_cluster",
    "links_of",
    "publish_identity",
    "resolve",
]


def apply_links(
    connection: Connection, project: Project, links: Sequence[Link], at: datetime, *, limit: int = MOST_IDS
) -> int:
    """Apply links (`links_of`) to a project's people. Returns how many ids have another person than before.

    The outcome is the same in whatever order links come, however they are divided over calls, and however often one
    comes. `at` is when the hub got to know. Under original identity the profiles of people who become one are merged;
    `limit` is how many ids one person may have. To be called within a writing transaction; if that is rolled back,
    nothing has happened.
    """
    news = known(connection).unknown(project.id, links)
    if not news:
        return 0
    lock(connection, project.id)
    if project.identity == "simplified":
        changed = apply_device_links(connection, project.id, news, at)
    else:
        changed = apply_identity_links(connection, project.id, news, at, limit=limit)
    remember_when_committed(connection, project.id, news)
    return changed
