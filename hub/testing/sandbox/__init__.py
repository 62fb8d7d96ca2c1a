"""A toolkit for sandbox partners: servers that behave like a partner's API, keep state and fail on demand.

Subclass `Sandbox`, give it the partner's ASGI app, and get for nothing: a record of every request, faults on
demand, limits, and admin endpoints under `/_sandbox/`. `serve` and `running` run it::

    with running(MailchimpSandbox(tmp_path)) as partner:
        partner.admin.fault(kind="answer_lost", method="POST", path="/3.0/lists")
        ... connect with partner.settings ...
        assert partner.admin.repeats() == []
"""

from hub.testing.sandbox.admin import refuse_admin
from hub.testing.sandbox.base import Sandbox
from hub.testing.sandbox.client import Admin
from hub.testing.sandbox.command import command
from hub.testing.sandbox.database import open_database, transaction
from hub.testing.sandbox.faults import Fault, FaultKind, Faults
from hub.testing.sandbox.lag import Lagging
from hub.testing.sandbox.limits import ConcurrencyLimit, Limit, RateLimit, Refused
from hub.testing.sandbox.recorder import Recorder
from hub.testing.sandbox.serving import Running, running, serve

__all__ = [
    "Admin",
    "ConcurrencyLimit",
    "Fault",
    "FaultKind",
    "Faults",
    "Lagging",
    "Limit",
    "RateLimit",
    "Recorder",
    "Refused",
    "Running",
    "Sandbox",
    "command",
    "open_database",
    "refuse_admin",
    "running",
    "serve",
    "transaction",
]
