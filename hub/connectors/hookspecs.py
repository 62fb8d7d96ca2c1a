"""The hooks that a plugin may implement. Each docstring is the hook's contract.

A plugin names the arguments that it wants, by these names; new ones may come, and none goes within a major version.
"""
# mypy: disable-error-code="empty-body"
# A hook specification is its docstring; pluggy never calls its body.

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from hub.connectors.contract import Connector, Member
    from hub.connectors.messages import MessageEvent
    from hub.connectors.observing import ConnectionRef, SyncRun
    from hub.testing.conformance import Subject
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


@hookspec
def hub_conformance() -> list[Subject]:
    """Describe this plugin's connectors for the conformance suite, for `hub plugin check`.

    Called only when a check is asked for, so it is the place for their imports.

    Returns: one subject for each connector.
    Raises: anything is told as this plugin's fault.
    """


@hookspec
def hub_member_payload(connection: ConnectionRef, members: Sequence[Member]) -> Sequence[Member] | None:
    """Change the values of one batch of members, right before it is sent to be added or updated.

    Called once a batch, on a worker thread, several batches at once; of several plugins in the order of their names,
    each with what the one before made. Members who are taken out do not come here. A batch whose answer was lost comes
    again in a later run: give the same members the same values. What the hub holds, plans and verifies are the mapped
    values, without what this hook changes: nothing is sent anew because this hook would change it otherwise now, and
    where the partner's values can be read, `hub sync verify` tells a value that this hook changed as different.

    Returns: the same members in the same order (keys and matches too), with other `values`; None leaves them.
    Raises: anything ends the run as failed, named with the plugin; nothing of the batch is sent, and the next run tries
    again. To send what was to be taken out would be worse.
    """


@hookspec
def hub_before_run(run: SyncRun) -> None:
    """Observe that a run begins, or is gone on with after an interruption or an approval.

    Called before the run's next step, on a worker thread; the run waits for it, so be short. A run that was interrupted
    comes again, with the same `run.id`.

    Returns: ignored.
    Raises: logged with the plugin's name; the run goes on.
    """


@hookspec
def hub_after_run(run: SyncRun) -> None:
    """Observe how a run ended, whether it is done, failed, refused, or held for a person.

    Called after the run's state is saved, on a worker thread, in the order of the plugins' names; the caller waits for
    it, so be short. Not called for a run that was interrupted: its end is told when it is gone on with. A process that
    is killed between the save and this call never makes it.

    Returns: ignored.
    Raises: logged with the plugin's name; the run's result does not change.
    """


@hookspec
def hub_message_events(connection: ConnectionRef, events: Sequence[MessageEvent]) -> None:
    """Observe message events of a partner that the hub has kept.

    Called after they are in the lake, a page or a round of requests at a time, on a worker thread; only those that the
    hub did not have before. A process that is killed between the two never makes the call, so count in the lake and not
    here. Their times are aware UTC, and may be in any order.

    Returns: ignored.
    Raises: logged with the plugin's name; the events are kept all the same.
    """
