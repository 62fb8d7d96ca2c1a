"""What a check works with: the running sandbox, connectors opened on it, sample people, and words for what is wrong."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from hub.connectors.addresses import AddressGuard
from hub.connectors.contract import Ability, Audience, Connector, ConnectorSettings, Member, Outcome
from hub.connectors.fields import split_secrets, validated
from hub.connectors.http import PartnerClient
from hub.connectors.recording import SHORTEST
from hub.errors import HubError, UsageError
from hub.testing.conformance.subject import Subject
from hub.testing.sandbox import Running

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

Key = tuple[str, str]
"""A person as the suite compares them: the kind of the key, and the key."""

AUDIENCE = "hub: conformance"
LONG_ENOUGH = 12


class Nonconforming(HubError):
    """A connector breaks the contract: the message names the fault, the hint says what to do."""


def blame(message: str, do: str) -> NoReturn:
    """End a check: the connector breaks the contract."""
    raise Nonconforming(message, hint=do)


class Bench:
    """One check's view of a subject: the sandbox was reset and prepared for it."""

    def __init__(self, subject: Subject, partner: Running | None) -> None:
        self.subject = subject
        self._partner = partner
        self.told: list[str] = []
        """Every text that the connector gave people during the check."""

    @property
    def partner(self) -> Running:
        """The running sandbox."""
        assert self._partner is not None, "a check of facts asks nobody"
        return self._partner

    @property
    def kind(self) -> type[Connector]:
        """The connector class."""
        return self.subject.connector

    @property
    def page(self) -> int:
        """The largest batch that the connector's limits allow."""
        return self.kind.limits.batch_size

    def settings(self, **changes: Any) -> ConnectorSettings:
        """The good settings, with these changes."""
        given = {**self.partner.settings, **self.subject.settings, **changes}
        try:
            return validated(self.kind, given)
        except UsageError as error:
            blame(
                f"The sandbox's settings are not accepted: {error.message}",
                "Sandbox.settings and the subject's `settings` together have to make a connection; what the model "
                "refuses by itself needs no bad credential.",
            )

    @asynccontextmanager
    async def opened(
        self, settings: ConnectorSettings | None = None, *, patience: timedelta = timedelta(seconds=20)
    ) -> AsyncIterator[Connector]:
        """The connector on the sandbox, as the hub opens one; GETs are tried once."""
        chosen = settings or self.settings()
        address = chosen.base_url or self.kind.base_url(chosen)
        async with PartnerClient(
            address,
            guard=AddressGuard(allow_private=True),
            timeout=patience,
            concurrency=max(1, self.kind.limits.concurrency),
            read_attempts=1,
        ) as http:
            yield self.kind(chosen, http)

    def people(self, count: int, start: int = 0) -> list[Member]:
        """Sample people, by number."""
        return [self.subject.sample(number) for number in range(start, start + count)]

    def keys(self, members: Iterable[str | Member]) -> set[Key]:
        """Who they are, to compare them."""
        first = self.kind.matching.keys[0].property
        return {
            (member.match or first, member.key) if isinstance(member, Member) else (first, member) for member in members
        }

    async def audience(self, connector: Connector) -> Audience:
        """The audience that the checks use."""
        return await self.good("open_audience", connector.open_audience(AUDIENCE))

    async def add(self, connector: Connector, audience: Audience, members: list[Member]) -> Outcome:
        """Add members, in batches as large as the limits allow; the last outcome."""
        outcome = Outcome()
        for start in range(0, len(members), self.page):
            batch = members[start : start + self.page]
            outcome = await self.good(f"add of {len(batch)} members", connector.add(audience, batch))
            if outcome.refused:
                first = outcome.refused[0]
                blame(
                    f"add refused {len(outcome.refused)} of {len(batch)} sample members, the first ({first.key}) with: "
                    f"{first.reason}",
                    "The subject's `prepare` and `member` have to make people whom the sandbox takes.",
                )
        return outcome

    async def held(self, connector: Connector, audience: Audience) -> set[Key]:
        """Who is in the audience: as the sandbox says, else as the connector lists."""
        if self.subject.held:
            return self.keys(self.ask("held", self.partner, audience))
        if Ability.LIST in self.kind.abilities:
            return await self.listed(connector, audience)
        raise UsageError(
            f"The conformance suite cannot see who is in an audience of {self.subject.name}.",
            hint="Its connector cannot list, so give the subject `held`, which asks the sandbox.",
        )

    async def listed(self, connector: Connector, audience: Audience) -> set[Key]:
        """Who is in the audience, as the connector lists."""

        async def read() -> list[str | Member]:
            return [member async for page in connector.list_members(audience) for member in page]

        return self.keys(await self.good("list_members", read()))

    async def good(self, doing: str, call: Awaitable[T]) -> T:
        """Await what has to work."""
        try:
            return await call
        except HubError as error:
            self.hear(error)
            blame(
                f"{doing} ended with {type(error).__name__}: {error.message}",
                "It has to work here; the record of the sandbox's requests shows what was sent.",
            )
        except Exception as error:  # noqa: BLE001 - the boundary to foreign code: whatever it raises is its fault
            self.hear(error)
            broke(doing, error)

    async def bad(self, doing: str, call: Awaitable[Any], wanted: type[E], do: str) -> E:
        """Await what has to be refused with the error `wanted`; returns it."""
        try:
            answer = await call
        except wanted as error:
            self.hear(error)
            return error
        except HubError as error:
            self.hear(error)
            blame(f"{doing} raised {type(error).__name__} ({error.message}) instead of {wanted.__name__}.", do)
        except Exception as error:  # noqa: BLE001 - as above
            self.hear(error)
            broke(doing, error)
        blame(f"{doing} passed in silence (it returned {type(answer).__name__}) instead of {wanted.__name__}.", do)

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call one of the subject's own functions: what goes wrong in it is no fault of the connector."""
        try:
            return getattr(self.subject, name)(*arguments)
        except Exception as error:  # noqa: BLE001 - the boundary to foreign code
            blame(f"The subject's `{name}` broke with {type(error).__name__}: {error}", "Mend the subject.")

    def hear(self, error: BaseException) -> None:
        """Remember what people would read of an error."""
        self.told.append(f"{error} {getattr(error, 'hint', '')}")

    def writing_request(self) -> dict[str, Any]:
        """The last writing request that the sandbox recorded."""
        found = self.partner.admin.requests(writing=True)
        if not found:
            blame("add sent no request that writes.", "It has to tell the partner who is in the audience.")
        return found[-1]

    async def fault_on_add(self, connector: Connector, audience: Audience, **fault: Any) -> None:
        """Queue a fault for the request with which the connector adds members."""
        await self.add(connector, audience, self.people(1, 2000))
        request = self.writing_request()
        self.partner.admin.fault(method=request["method"], path=request["path"], **fault)

    def secrets(self, *settings: ConnectorSettings) -> dict[str, str]:
        """Every secret in these settings, with its field's name."""
        found: dict[str, str] = {}
        for one in settings:
            for name, value in split_secrets(one)[1].items():
                # one setting may hold several secrets with blanks between them; short words stand in ordinary text
                parts = [value, *(part for part in value.split() if len(part) >= LONG_ENOUGH)]
                found |= {part: name for part in parts if len(part) >= SHORTEST}
        return found


def broke(doing: str, error: BaseException) -> NoReturn:
    """A connector's own code broke: where, and with what."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/hub/" not in frame.filename] or list(frames)
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    blame(
        f"{doing} broke with {type(error).__name__}: {error}{where}.",
        "Only errors below hub.PartnerError may leave a connector (NotVerified and ValueError at the door).",
    )
