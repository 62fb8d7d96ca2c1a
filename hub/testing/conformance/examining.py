"""Putting a subject through the checks, one after another, each on a sandbox that was reset for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hub.errors import HubError
from hub.testing.conformance import confidence, door, events, facts, members, weather
from hub.testing.conformance.bench import Bench, Nonconforming, blame, broke
from hub.testing.conformance.checks import CHECKS, Check
from hub.testing.conformance.subject import Subject
from hub.testing.sandbox import Running, running

ALL = (facts, members, weather, confidence, events, door)
"""The modules whose checks are made, in this order; importing them has entered their checks in `CHECKS`."""

_ORDERED = sorted(CHECKS.values(), key=lambda check: [module.__name__ for module in ALL].index(check.work.__module__))
CHECKS.clear()
CHECKS.update({check.name: check for check in _ORDERED})


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Finding:
    """What one check found. `message` names the fault, or the reason why it was left out; `hint` says what to do."""

    check: str
    what: str
    verdict: Verdict
    message: str = ""
    hint: str = ""


def examine(subject: Subject, folder: Path) -> Iterator[Finding]:
    """Make every check on a subject, with its sandbox in `folder`. Nothing outside of it is changed."""
    unknown = [name for name in subject.without if name not in CHECKS]
    if unknown:
        message = f"The subject leaves out {unknown[0]}, and there is no such check."
        yield Finding("subject", "The subject is sound.", Verdict.FAILED, message, f"There are: {', '.join(CHECKS)}.")
        return
    with serving(subject, folder) as partner:
        for check in CHECKS.values():
            yield finding(check, subject, partner)


@contextmanager
def serving(subject: Subject, folder: Path) -> Iterator[Running]:
    """The subject's sandbox, listening on a free port of this machine."""
    with running(subject.sandbox(folder)) as partner:
        yield partner


def finding(check: Check, subject: Subject, partner: Running | None) -> Finding:
    """Make one check; those that send nothing need no running sandbox."""
    reason = check.left_out(subject)
    if reason:
        return Finding(check.name, check.what, Verdict.LEFT_OUT, reason)
    try:
        asyncio.run(_made(check, subject, partner))
    except HubError as error:
        return Finding(check.name, check.what, Verdict.FAILED, error.message, error.hint)
    return Finding(check.name, check.what, Verdict.PASSED)


async def _made(check: Check, subject: Subject, partner: Running | None) -> None:
    bench = Bench(subject, partner)
    if partner and not check.silent:
        partner.admin.reset()
        bench.ask("prepare", partner)
        partner.admin.forget_requests()
    try:
        await check.work(bench)
    except Nonconforming:
        raise
    except HubError as error:
        blame(f"It ended with {type(error).__name__}: {error.message}", error.hint)
    except Exception as error:  # noqa: BLE001 - the boundary to foreign code: whatever it raises is its fault
        broke("The connector", error)
