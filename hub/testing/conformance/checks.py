"""The list of checks, and what each needs before it can be made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.connectors.contract import Ability
from hub.testing.conformance.bench import Bench
from hub.testing.conformance.subject import Subject

Work = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True)
class Check:
    """One promise of the contract. `what` is a sentence.

    `needs` are abilities that it is about; `asks` are attributes of the subject without which it cannot be made.
    """

    name: str
    what: str
    work: Work
    needs: tuple[Ability, ...] = ()
    asks: tuple[str, ...] = ()
    silent: bool = False
    """Whether nothing is sent to the sandbox, so that it need not be reset."""

    def left_out(self, subject: Subject) -> str:
        """Why the check is not made for a subject; empty when it is."""
        if self.name in subject.without:
            return subject.without[self.name]
        for ability in self.needs:
            if ability not in getattr(subject.connector, "abilities", ()):
                return f"the connector does not have the ability {ability.name}"
        missing = [name for name in self.asks if not getattr(subject, name)]
        return f"the subject gives no `{missing[0]}`" if missing else ""


CHECKS: dict[str, Check] = {}
"""Every check by name, in the order in which they are made."""


def check(*needs: Ability, asks: tuple[str, ...] = (), silent: bool = False) -> Callable[[Work], Work]:
    """Enter a function in the list: its name is the check's, its docstring's first line what is checked."""

    def enter(work: Work) -> Work:
        name = work.__name__.replace("_", "-")
        what = (work.__doc__ or "").strip().partition("\n")[0]
        CHECKS[name] = Check(name, what, work, needs, asks, silent)
        return work

    return enter
