"""Alerts, beside whatever else a daemon or a worker does: it looks at what is wrong, and sends what waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from hub.errors import HubError
from hub.running.telling import Telling, fault

if TYPE_CHECKING:
    from hub.app import Hub

LOOKS_EVERY = 10.0
"""Seconds between two looks."""

_ALERTS = "alerts"


class Watch:
    """Looks at the whole hub now and then. What does not arrive is a problem of its channel, until something does."""

    def __init__(self, hub: Hub, telling: Telling) -> None:
        self._hub, self._telling = hub, telling

    async def keep(self) -> NoReturn:
        """Look again and again, until it is cancelled: a message that is on its way then goes out again later."""
        while True:
            await self.look()
            await asyncio.sleep(LOOKS_EVERY)

    async def look(self) -> None:
        """Look once, and send what waits."""
        try:
            attempts = await self._hub.alerts.tend()
        except HubError as error:
            self._telling.problem(_ALERTS, error)
            return
        except Exception as error:  # noqa: BLE001 - a fault in here must not end the syncs
            self._telling.problem(_ALERTS, fault(error))
            return
        self._telling.well(_ALERTS)
        for attempt in attempts:
            name = f"{_ALERTS} to {attempt.channel}"
            if attempt.arrived:
                self._telling.well(name)
            else:
                self._telling.problem(name, HubError(f"It did not arrive: {attempt.answer}"))
