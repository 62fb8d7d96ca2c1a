"""A sync's thresholds and leavers: read from the words of a person, kept with the sync, told again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hub.clock import now
from hub.connectors.contract import Ability
from hub.errors import UsageError
from hub.store.tables import syncs
from hub.sync.guards import GROWTH_FACTOR, USUAL_REMOVALS, Thresholds, percent
from hub.sync.states import Leavers

if TYPE_CHECKING:
    from sqlalchemy import Row

    from hub.connectors.contract import Connector
    from hub.store.store import Store

OFF, LEARNED = "off", "learned"
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")


def removals_of(text: str) -> float | None:
    """`30%`, `learned` (None) or `off` as a threshold of removals. Raises UsageError."""
    if text == LEARNED:
        return None
    return 1.0 if text == OFF else _share(text, "--removals", f"30%, {LEARNED} or {OFF}", most=1)


def shrink_of(text: str) -> float:
    """`50%` or `off` as a threshold of shrinking. Raises UsageError."""
    return 1.0 if text == OFF else _share(text, "--shrink", f"50% or {OFF}", most=1)


def growth_of(text: str) -> float | None:
    """`100%` or `off` (None) as a threshold of growth. Raises UsageError."""
    return None if text == OFF else _share(text, "--growth", f"100% or {OFF}")


def set_thresholds(store: Store, sync: Row[Any], values: Mapping[str, Any], *, anew: bool = False) -> Thresholds:
    """Keep what a person has set of a sync's thresholds (a row of the table), beside what was set before.

    With `anew`, what was set before is forgotten.
    """
    with store.writing() as connection:
        stored = {} if anew else dict(sync.guards)
        thresholds = Thresholds.model_validate(stored | dict(values))
        connection.execute(
            syncs.update()
            .where(syncs.c.id == sync.id)
            .values(guards=thresholds.model_dump(exclude_unset=True), updated_at=now())
        )
    return thresholds


def set_leavers(store: Store, sync: Row[Any], leavers: Leavers, kind: type[Connector]) -> None:
    """Keep what becomes of those who leave. Raises UsageError when the connector cannot do it."""
    refuse_leavers(leavers, kind)
    with store.writing() as connection:
        connection.execute(syncs.update().where(syncs.c.id == sync.id).values(leavers=leavers.value, updated_at=now()))


def refuse_leavers(leavers: Leavers, kind: type[Connector]) -> None:
    """Raises UsageError when connectors of a kind cannot do that with people who leave."""
    if leavers is Leavers.CLEAR and Ability.CLEAR not in kind.abilities:
        raise UsageError(
            f"{kind.label} cannot clear the fields of those who leave: the connector {kind.name} has no such call.",
            hint="Choose --leavers remove or --leavers keep.",
        )
    if leavers is Leavers.REMOVE and Ability.REMOVE not in kind.abilities:
        raise UsageError(
            f"{kind.label} cannot take out those who leave: the connector {kind.name} has no such call.",
            hint="Choose --leavers keep.",
        )


def told(thresholds: Thresholds) -> list[tuple[str, str]]:
    """Thresholds for a person: what each guard holds, line by line."""
    if not thresholds.on:
        return [("guards", "off: nothing is held")]
    removals = (
        f"{percent(USUAL_REMOVALS)}, learned from the last runs once there are some"
        if thresholds.removals is None
        else _up_to(thresholds.removals)
    )
    growth = "off" if thresholds.growth is None else f"more than {percent(thresholds.growth)}"
    return [
        ("removals", removals if thresholds.removals is not None else f"more than {removals}"),
        ("shrink", _up_to(thresholds.shrink)),
        ("growth", growth),
        ("least", f"{thresholds.least:,} members; {GROWTH_FACTOR * thresholds.least:,} of growth"),
        ("changes", "hold the first run after them" if thresholds.changes else "go"),
        ("additions", "go on while removals are held" if thresholds.additions else "wait with removals"),
    ]


def _up_to(share: float) -> str:
    return OFF if share >= 1 else f"more than {percent(share)}"


def _share(text: str, option: str, like: str, most: float | None = None) -> float:
    found = _SHARE.fullmatch(text.strip())
    share = float(found[1]) / 100 if found else None
    if share is None or (most is not None and share > most):
        raise UsageError(f"{option} {text} cannot be read as a share.", hint=f"Write {like}.")
    return share
