"""When to ask a partner again, and how long to wait before: written once, for every connector."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.stop import stop_base
from tenacity.wait import wait_exponential, wait_random

from hub.errors import PartnerUnavailable, Wait

T = TypeVar("T")

LONGEST_WAIT = 60.0
"""Seconds. A partner that asks for more is left alone until the next run."""

_backoff = wait_exponential(multiplier=0.5, max=LONGEST_WAIT - 1) + wait_random(0, 1)


def partner_wait(state: RetryCallState) -> float:
    """Seconds before the next attempt: the partner's own wish, else a back-off with jitter and a ceiling."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Wait) and error.seconds is not None:
        return min(error.seconds, LONGEST_WAIT)
    return _backoff(state)


class _StopWhenAskedForTooLong(stop_base):
    def __call__(self, retry_state: RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        return isinstance(error, Wait) and (error.seconds or 0) > LONGEST_WAIT


async def persist(
    call: Callable[[], Awaitable[T]],
    *,
    attempts: int = 5,
    before_again: Callable[[BaseException], Awaitable[None]] | None = None,
) -> T:
    """Await `call()` until it answers, at most `attempts` times, waiting as `partner_wait` says.

    Only Wait and PartnerUnavailable are tried again; the last of them is raised when the attempts are used
    up, or when the partner asks for more than `LONGEST_WAIT` seconds. `before_again` is awaited with the error
    before each further attempt.
    """

    async def attempt() -> T:  # tenacity awaits only what is declared `async`, and `call` may be a lambda
        return await call()

    async def note(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if before_again and error:
            await before_again(error)

    retrying = AsyncRetrying(
        retry=retry_if_exception_type((Wait, PartnerUnavailable)),
        wait=partner_wait,
        stop=stop_after_attempt(attempts) | _StopWhenAskedForTooLong(),
        before_sleep=note,
        reraise=True,
    )
    return await retrying(attempt)


def retry_after(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, given as seconds or as a date (RFC 9110, 10.2.3).

    None when there is no header or it cannot be read; never negative.
    """
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
