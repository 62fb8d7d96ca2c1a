"""The plugin is found by its entry point, and costs nothing until it is asked."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.sandbox import MailchimpSandbox


def test_the_entry_point_brings_the_connector_and_the_sandbox() -> None:
    [found] = entry_points(group="hub.plugins", name="mailchimp")
    plugin = found.load()
    assert plugin.hub_connectors() == [Mailchimp]
    assert plugin.hub_sandboxes() == [MailchimpSandbox]


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    heavy = "{'httpx', 'aiohttp', 'pydantic', 'starlette', 'uvicorn'}"
    code = f"import hub_mailchimp, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
