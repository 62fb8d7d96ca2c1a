"""A Braze on this machine, to try things on without an account: see the README beside it."""

from hub_braze.sandbox.server import BrazeSandbox, partner_settings
from hub_braze.sandbox.workspace import CLIENT_SECRET, PARTNER, PARTNER_KEY, REST_KEY

__all__ = ["CLIENT_SECRET", "PARTNER", "PARTNER_KEY", "REST_KEY", "BrazeSandbox", "partner_settings"]
