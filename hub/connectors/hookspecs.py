"""The hooks that a plugin may implement. Each docstring is the hook's contract."""
# mypy: disable-error-code="empty-body"
# A hook specification is its docstring; pluggy never calls its body.

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from hub.connectors.contract import Connector
    from hub.testing.sandbox import Sandbox

hookspec = pluggy.HookspecMarker("hub")
hookimpl = pluggy.HookimplMarker("hub")


@hookspec
def hub_connectors() -> list[type[Connector]]:
    """Name the connectors that this plugin brings.

    Called once a process, when plugins are loaded, on the thread that loads them; it should only import.

    Returns: classes, each with a `name` that no other plugin has.
    Raises: anything leaves the plugin out, named with the reason; the rest goes on.
    """


@hookspec
def hub_sandboxes() -> list[type[Sandbox]]:
    """Name the sandbox partners that this plugin brings, for `hub sandbox NAME`.

    Called only when a sandbox is asked for, so it is the place for their imports.

    Returns: classes, each with a `name`.
    Raises: anything is told as this plugin's fault.
    """
