"""Faults on demand: what goes wrong, for which requests, how often."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator


class FaultKind(StrEnum):
    """What goes wrong with a request."""

    STATUS = "status"
    """Answer with another status code; the work is not done unless `after_commit`."""
    LATENCY = "latency"
    """Wait `seconds` before the work. Adds to any other fault of the same request."""
    CUT_BEFORE_COMMIT = "cut_before_commit"
    """The connection is cut and nothing was done."""
    ANSWER_LOST = "answer_lost"
    """The work is done and stored, then the connection is cut without an answer."""
    NONSENSE = "nonsense"
    """The work is done; the answer has the right status and a body that means nothing."""
    HALF_BODY = "half_body"
    """The work is done; the connection is cut in the middle of the answer's body."""


class Fault(BaseModel):
    """One fault. It fires for matching requests until `count` is used up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    method: str | None = None
    """Only requests with this method; None: any."""
    path: str | None = None
    """Only requests whose path begins with this."""
    regex: str | None = None
    """Only requests in whose path this regular expression is found."""
    after: int = Field(0, ge=0)
    """Let so many matching requests pass first."""
    count: int | None = Field(1, ge=1)
    """Fire so many times; None: for ever."""
    probability: float = Field(1.0, gt=0, le=1)
    """The chance that it fires for a matching request, drawn from a generator of its own."""
    seed: int = 0
    """Seed of that generator: the same requests in the same order meet the same faults."""
    status: int = Field(500, ge=200, le=599)
    """Status code, for kind `status`."""
    body: str | dict[str, Any] | list[Any] | None = None
    """Body, for `status` and `nonsense`: text as it is, else as JSON; None: the partner's own shape."""
    content_type: str | None = None
    """Content type of `body`; None: `text/html` for text that begins with `<`, plain text, or JSON."""
    headers: dict[str, str] = Field(default_factory=dict)
    """More headers, for kind `status`."""
    retry_after: float | None = Field(None, ge=0)
    """Seconds for a `Retry-After` header, for kind `status`."""
    after_commit: bool = False
    """For kind `status`: the work is done and stored all the same."""
    seconds: float = Field(0.0, ge=0)
    """How long to wait, for kind `latency`."""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str | None) -> str | None:
        if regex is not None:
            try:
                re.compile(regex)
            except re.error as exc:
                raise ValueError(f"not a regular expression: {exc}") from exc
        return regex

    def matches(self, method: str, path: str) -> bool:
        """Whether a request with this method and path is meant."""
        return (
            (self.method is None or self.method.upper() == method)
            and (self.path is None or path.startswith(self.path))
            and (self.regex is None or re.search(self.regex, path) is not None)
        )


@dataclass(frozen=True)
class Struck:
    """What befalls one request: seconds to wait first, and at most one fault besides."""

    seconds: float
    fault: Fault | None


@dataclass
class _Queued:
    id: int
    fault: Fault
    chance: random.Random
    seen: int = 0
    fired: int = 0

    def fires(self) -> bool:
        self.seen += 1
        if self.seen <= self.fault.after or self.spent():
            return False
        if self.chance.random() >= self.fault.probability:
            return False
        self.fired += 1
        return True

    def spent(self) -> bool:
        return self.fault.count is not None and self.fired >= self.fault.count

    def shown(self) -> dict[str, Any]:
        return {"id": self.id, **self.fault.model_dump(mode="json"), "seen": self.seen, "fired": self.fired}


class Faults:
    """The faults in waiting, in the order in which they were added. They live as long as the process."""

    def __init__(self) -> None:
        self._queue: list[_Queued] = []
        self._last_id = 0

    def add(self, fault: Fault) -> int:
        """Queue a fault; returns its id."""
        self._last_id += 1
        chance = random.Random(fault.seed)
        self._queue.append(_Queued(self._last_id, fault, chance))
        return self._last_id

    def strike(self, method: str, path: str) -> Struck:
        """Decide what befalls this request: all latencies that fire, and the first other fault that does."""
        seconds, struck = 0.0, None
        for queued in self._queue:
            if not queued.fault.matches(method, path):
                continue
            if queued.fault.kind is FaultKind.LATENCY:
                seconds += queued.fault.seconds if queued.fires() else 0.0
            elif struck is None and queued.fires():
                struck = queued.fault
        return Struck(seconds, struck)

    def shown(self) -> list[dict[str, Any]]:
        """Every fault with its id, how many matching requests it has seen and how often it fired."""
        return [queued.shown() for queued in self._queue]

    def remove(self, fault_id: int) -> bool:
        """Take one fault away; False when there is none with this id."""
        kept = [queued for queued in self._queue if queued.id != fault_id]
        removed = len(kept) < len(self._queue)
        self._queue = kept
        return removed

    def clear(self) -> None:
        """Take every fault away."""
        self._queue.clear()
