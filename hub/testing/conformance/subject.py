"""What the conformance suite is told of a connector: its sandbox, and what it cannot know by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hub.connectors.contract import Audience, Connector, Member, Value
from hub.connectors.incoming import InboundRequest
from hub.testing.sandbox import Running, Sandbox


def email(number: int) -> str:
    """The address of a sample person: `person7@example.com`."""
    return f"person{number}@example.com"


def _by_header(seconds: int) -> Mapping[str, str]:
    return {"Retry-After": str(seconds)}


def _nothing(partner: Running) -> None:
    """The sandbox is ready as it starts."""


@dataclass(frozen=True)
class Subject:
    """A connector with its sandbox, as the suite is to examine it. The first three are enough to begin with.

    The other attributes are asked for by the checks that need them: a check says what is missing and is left out.
    Functions get the running sandbox, whose `admin` says anything to it that its admin endpoints take.
    """

    connector: type[Connector]
    sandbox: Callable[[Path], Sandbox]
    """The class of its sandbox, or a function that makes one in a folder."""
    bad_credentials: Sequence[Mapping[str, Any]]
    """Settings, each on top of the good ones, with which the partner has to refuse the credential."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """On top of what `Sandbox.settings` gives: whatever a connection needs besides."""
    prepare: Callable[[Running], None] = _nothing
    """Put into the sandbox what has to be there: it was reset. People 0 to 2999 must be taken afterwards."""
    member: Callable[[int], Member] | None = None
    """The sample person of a number. As it stands: `person7@example.com`, `+4790000007` or `person-7`, by the first
    match key."""
    refused: Member | None = None
    """A person whom the partner refuses by name, while it takes the others of the batch."""
    value: tuple[str, Value] | None = None
    """A mapped target, and a value for it that is not what the partner has by itself: for CLEAR and READ."""
    held: Callable[[Running, Audience], Iterable[str | Member]] | None = None
    """Who is in an audience, as the sandbox knows it. Needed when the connector cannot list."""
    wait_hint: Callable[[int], Mapping[str, str]] = _by_header
    """The headers with which the partner asks for a pause of so many seconds."""
    happen: Callable[[Running], int] | None = None
    """Make message events happen in the sandbox; returns how many. Called again, it makes others. For PULL."""
    signed: Callable[[Any, datetime], InboundRequest] | None = None
    """A genuine request of the partner, signed with these settings at that instant, and received then. For RECEIVE."""
    wrong_keys: Sequence[Mapping[str, Any]] = ()
    """Settings, each on top of the good ones, under which the same request is not the partner's."""
    window: timedelta | None = timedelta(minutes=5)
    """How old a signed request may be; None when the partner signs no time."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Checks that do not apply to this partner, by name, each with the reason: it is shown."""

    @property
    def name(self) -> str:
        """The connector's name, whatever it is."""
        return str(getattr(self.connector, "name", "") or self.connector.__name__)

    def sample(self, number: int, value: Value | None = None) -> Member:
        """The sample person of a number, with the mapped value if one is given."""
        found = self.member(number) if self.member else _member(self.connector, number)
        if value is None or self.value is None:
            return found
        return Member(found.key, {**found.values, self.value[0]: value}, found.match)


def _member(connector: type[Connector], number: int) -> Member:
    key = connector.matching.keys[0]
    texts = {"email": email(number), "phone": f"+4790{number:06d}"}
    return Member(texts.get(key.normalize, f"person-{number}"), match=key.property)
