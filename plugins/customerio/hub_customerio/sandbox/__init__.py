"""A Customer.io on this machine: Track v1 and v2, App v1 and reporting webhooks as far as a cohort hub needs them."""

from hub_customerio.sandbox.server import CustomerIOSandbox
from hub_customerio.sandbox.workspace import APP_KEY, SIGNING_KEY, SITE_ID, TRACK_KEY

__all__ = ["APP_KEY", "SIGNING_KEY", "SITE_ID", "TRACK_KEY", "CustomerIOSandbox"]
