"""What the demo claims is compared, and a claim that does not hold ends it."""

from __future__ import annotations

from collections.abc import Collection

from hub.errors import HubError

_SHOWN = 3


class DemoFailed(HubError):
    """A comparison of the demo failed: the hub, or the demo, is wrong."""


def check(holds: bool, otherwise: str) -> None:
    """Raise DemoFailed with the sentence `otherwise` unless the claim holds."""
    if not holds:
        raise DemoFailed(
            f"The demo found something wrong. {otherwise}", hint="This is a fault of the hub. Please report it."
        )


def same_figure(what: str, found: int, expected: int) -> None:
    """Raise DemoFailed unless both figures of `what` are the same."""
    check(found == expected, f"{what[:1].upper()}{what[1:]}: {found:,}, and it should be {expected:,}.")


def same_people(what: str, found: Collection[str], expected: Collection[str]) -> None:
    """Raise DemoFailed, naming some, unless both have the same people."""
    have, want = set(found), set(expected)
    check(
        have == want,
        f"{what[:1].upper()}{what[1:]} differ: {len(want - have):,} are missing{_some(want - have)} and "
        f"{len(have - want):,} are too many{_some(have - want)}.",
    )


def _some(people: set[str]) -> str:
    shown = ", ".join(sorted(people)[:_SHOWN])
    return f" ({shown}{', ...' if len(people) > _SHOWN else ''})" if people else ""
