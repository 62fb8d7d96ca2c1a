"""The tables of the control plane.

Instants are stored in UTC and come back as aware datetimes. A table's rows are looked up by key; whatever
a set query joins lives in the lake.
"""

from hub.store.tables.alerts import alert_channels, alert_messages, alert_mutes, alert_states, sync_freshness
from hub.store.tables.arrivals import import_rejects, imports, intake_progress, rejection_samples, rejections
from hub.store.tables.base import UtcDateTime, metadata
from hub.store.tables.cohorts import cohort_versions, cohorts
from hub.store.tables.connections import audiences, connections, pulls
from hub.store.tables.inbound import doors, origins, received_cohorts
from hub.store.tables.members import member_changes, member_pages, warehouses
from hub.store.tables.paces import account_paces, account_shares
from hub.store.tables.people import identities, identities_closed, identity_links, profiles
from hub.store.tables.projects import leases, projects, tokens
from hub.store.tables.syncs import batches, exceptions, runs, syncs
from hub.store.tables.verifying import verifications

__all__ = [
    "UtcDateTime",
    "account_paces",
    "account_shares",
    "alert_channels",
    "alert_messages",
    "alert_mutes",
    "alert_states",
    "audiences",
    "batches",
    "cohort_versions",
    "cohorts",
    "connections",
    "doors",
    "exceptions",
    "identities",
    "identities_closed",
    "identity_links",
    "import_rejects",
    "imports",
    "intake_progress",
    "leases",
    "member_changes",
    "member_pages",
    "metadata",
    "origins",
    "profiles",
    "projects",
    "pulls",
    "received_cohorts",
    "rejection_samples",
    "rejections",
    "runs",
    "sync_freshness",
    "syncs",
    "tokens",
    "verifications",
    "warehouses",
]
