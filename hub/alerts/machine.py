"""What is wrong with this machine and with what came in: the disk, the plugins, the intake."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hub.alerts.model import CRITICAL, DISK_NEARLY_FULL, INTAKE_BEHIND, PLUGIN_BROKEN, WARNING, Condition, Figure
from hub.errors import StoreError

if TYPE_CHECKING:
    from hub.connectors.plugins import Plugins
    from hub.settings import Settings

LEAST_FREE = 1024**3
LEAST_FREE_AT_ALL = LEAST_FREE // 4
"""Bytes of free disk below which something has to be done, and has to be done now."""

LONGEST_WAIT = timedelta(minutes=10)
LONGEST_WAIT_AT_ALL = timedelta(hours=1)
"""How long what has arrived may wait to be moved to the lake."""


def this_host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def machine_conditions(settings: Settings, plugins: Plugins, at: datetime) -> list[Condition]:
    """Everything that is wrong here at `at`."""
    return [*_disk(settings), *_plugins(plugins), *_intake(settings, at)]


def _disk(settings: Settings) -> Iterator[Condition]:
    folders = {"home": settings.home, "lake": settings.lake_root}
    seen = set()
    for folder in folders.values():
        try:
            device, free = folder.stat().st_dev, shutil.disk_usage(folder).free
        except OSError:
            continue
        if device in seen or free >= LEAST_FREE:
            continue
        seen.add(device)
        critical = free < LEAST_FREE_AT_ALL
        bound = LEAST_FREE_AT_ALL if critical else LEAST_FREE  # a figure that moves would be another sentence each time
        yield Condition(
            key=f"{DISK_NEARLY_FULL}:{this_host()}:{folder}",
            kind=DISK_NEARLY_FULL,
            level=CRITICAL if critical else WARNING,
            subject=this_host(),
            said=f"The disk of {folder} on {this_host()} has less than {bound // 1024**2:,} MiB free.",
            hint="Make room: `hub doctor` tells what the hub stands on.",
            host=this_host(),
            figures={"bound_bytes": bound},
        )


def _plugins(plugins: Plugins) -> Iterator[Condition]:
    for plugin in plugins.found:
        if plugin.error:
            yield Condition(
                key=f"{PLUGIN_BROKEN}:{this_host()}:{plugin.name}",
                kind=PLUGIN_BROKEN,
                level=WARNING,
                subject=plugin.name,
                said=f"The plugin {plugin.name} of {plugin.distribution} is left out: it does not load.",
                hint="`hub plugin list` says why; tell its author.",
                host=this_host(),
                figures={"version": plugin.version},
            )


def _intake(settings: Settings, at: datetime) -> Iterator[Condition]:
    from hub.intake.log import IntakeLog

    log = IntakeLog(settings.intake_url)
    try:
        waits = log.backlog() if log.exists() else None
    except StoreError:
        yield _intake_condition(CRITICAL, "What came in cannot be read.", {})
        return
    if waits is None or waits.oldest_at is None or at - waits.oldest_at < LONGEST_WAIT:
        return
    critical = at - waits.oldest_at >= LONGEST_WAIT_AT_ALL
    minutes = (LONGEST_WAIT_AT_ALL if critical else LONGEST_WAIT) // timedelta(minutes=1)
    yield _intake_condition(
        CRITICAL if critical else WARNING,
        f"What came in has waited for over {minutes} minutes to be moved to the lake.",
        {"records": waits.records, "oldest_at": waits.oldest_at.isoformat()},
    )


def _intake_condition(level: str, said: str, figures: dict[str, Figure]) -> Condition:
    hint = "`hub lake status` tells how much; `hub run-due` moves it, or says why not."
    return Condition(
        key=INTAKE_BEHIND, kind=INTAKE_BEHIND, level=level, subject="intake", said=said, hint=hint, figures=figures
    )
