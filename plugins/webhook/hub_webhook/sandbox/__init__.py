"""A receiver of the custom-webhook contract on this machine. See README.md beside this file."""

from hub_webhook.sandbox.expected import PASSWORD, SECRET, USERNAME
from hub_webhook.sandbox.server import WebhookSandbox

__all__ = ["PASSWORD", "SECRET", "USERNAME", "WebhookSandbox"]
