"""What a connector is: one class a partner, which only translates.

The hub does retry, pacing, batching, halving of refused batches, secrets, the ledger and identity. A
connector states the partner's facts and makes the partner's calls. Errors are the classes of `hub.errors`
below `PartnerError`: which one to raise says what happens next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from hub.connectors.incoming import InboundRequest, Received, Reply
from hub.connectors.messages import MessageEvent, MessageEvents
from hub.connectors.oauth import OAuth

if TYPE_CHECKING:
    from hub.connectors.http import PartnerClient
    from hub.connectors.matching import MatchOn

Cursor = dict[str, Any]
"""Where a connector's `pull` stopped: JSON that only the connector reads. Empty means from the start."""

Value = str | float | bool | list[Any]
"""A mapped value. Numbers are floats; dates are the text that the product sent."""


class Ability(StrEnum):
    """What a connector can do. Screens, plans and the conformance suite follow it."""

    REMOVE = "remove"
    """Take members out of an audience."""
    CLEAR = "clear"
    """Empty what the hub wrote of a member: `add` takes None for a value, and clears it."""
    LIST = "list"
    """Tell who is in an audience, for checks."""
    READ = "read"
    """Tell the values of those who are in it as well."""
    CREATE = "create"
    """Create people that the partner does not know, when the operator chose so."""
    CLOSE = "close"
    """Delete an audience."""
    PULL = "pull"
    """Fetch message events by polling."""
    RECEIVE = "receive"
    """Take in what the partner sends to `/in/<connection>`."""
    LISTEN = "listen"
    """Have the partner send there, and no more, by its own API."""


@dataclass(frozen=True)
class MatchKey:
    """A kind of key by which the partner knows people.

    `property` is the profile property that has it (`$email`, or `distinct_id` for the person's own id), and names the
    kind; a connection may take the values from another property. It has no colon. `normalize` says how values compare:
    `exact`; `email` (surrounding blanks dropped, lower case); `phone` (E.164: a plus and digits, no blanks). What is no
    e-mail address or phone number counts as no key.
    """

    property: str
    normalize: str = "exact"


@dataclass(frozen=True)
class Matching:
    """The keys that a partner understands, in order of preference. An operator may choose fewer, in another order.

    A person goes out by the first key that they have. What the hub holds is written down by kind and value, the first
    kind by its value alone: put kinds that come later behind the others.
    """

    keys: tuple[MatchKey, ...]
    simplified_identity_warning: str = ""
    """What to tell the users of a project with simplified identity, when the key is not its `$user_id`."""


@dataclass(frozen=True)
class Rate:
    """So many requests in any period of this length."""

    requests: int
    per: timedelta


@dataclass(frozen=True)
class Limits:
    """What one account at the partner allows. `source` is the page that says so."""

    batch_size: int
    """Members in one call of `add` or `remove`."""
    concurrency: int
    """Requests under way at once, of all syncs, processes and machines that use the account."""
    source: str
    timeout: timedelta = timedelta(seconds=30)
    """How long to wait for one answer."""
    attempts: int = 5
    """How often a batch is sent while the partner is busy or away, before it stays owed until the next run."""
    default_interval: timedelta = timedelta(hours=2)
    """How often a dynamic sync runs unless told otherwise."""
    pull_interval: timedelta = timedelta(minutes=15)
    """How often message events are polled."""
    rate: Rate | None = None
    """Requests of the account in a period, shared likewise; None: the partner names no rate."""
    visible_after: timedelta = timedelta(0)
    """How long after its answer a change may not show yet when the audience is listed. Whom the hub wrote since is not
    judged by `hub sync verify`."""


@dataclass(frozen=True)
class Account:
    """Who we are at the partner. `id` tells when one account is connected twice; `warning` is for people."""

    id: str
    label: str
    details: Mapping[str, str] = field(default_factory=dict)
    warning: str = ""


@dataclass(frozen=True)
class Option:
    """A choice that the account offers for a setting, such as one of its lists."""

    value: str
    label: str


@dataclass(frozen=True)
class Audience:
    """The thing at the partner that holds a cohort's members: a tag, a segment, a list.

    `ref` is what the connector needs to find it again (JSON); `name` is what people see at the partner.
    """

    ref: Mapping[str, Any]
    name: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One person on the way to a partner: the match key and the mapped values, by target name.

    A value of None means that the person has none, and that it is to be emptied. `match` is the kind of the key: the
    `property` of one of the connector's match keys. A connector with one kind need not look at it, nor give it.
    """

    key: str
    values: Mapping[str, Value | None] = field(default_factory=dict)
    match: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a delivery a batch is, for partners that want to be told.

    `session` names the delivery: it is the same for all batches of a run, whoever sends them and however often, and no
    other run ever has it. `number` counts from 1 to `total`, apart for batches to add and batches to remove. When
    a batch was refused as a whole and is sent in halves, each half is a session of one page.
    `updates` tells that its members are in the audience already, as far as the hub knows, and only values changed: a
    partner that bills each write need not be told again that they are in it.
    """

    session: str
    number: int = 1
    total: int = 1
    updates: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """One member that the partner did not take, in its own words.

    With `retry_after` the hub tries again after that time; without it the member is parked until its data,
    the mapping or the connector's version changes. `in_audience` tells that the member is in the audience all the
    same (only a value was refused), so that it is taken out when it leaves the cohort. `match` is that of the member,
    for connectors with several kinds of keys.
    """

    key: str
    reason: str
    code: str = ""
    retry_after: timedelta | None = None
    in_audience: bool = False
    match: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one batch: everybody in it was taken, except who is refused."""

    refused: Sequence[Refusal] = ()
    request_id: str = ""
    """The partner's name of the request, for its support."""


class ConnectorSettings(BaseModel):
    """Base of every connector's settings; drives form, prompts, environment and validation.

    Secrets are `SecretStr`. Each field has a `title` and a `description`. A secret that the hub can make up has a
    `default_factory`; `hub connection add` shows what was made, once. A field whose choices only the account knows
    is declared with `json_schema_extra={"options": True}`, and `Connector.options` offers them; the account and these
    choices are the place where the connection's audiences are. What two connections to one account cannot have alike,
    such as the secret of one webhook, is declared with `json_schema_extra={"own": True}`.
    """

    # an error must not show its input: the input may be a secret
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str = ""
    """Where the partner's API is; empty means the partner's own address."""


class Connector(ABC):
    """One partner. The hub makes an instance for each connection, and calls it from one event loop.

    `settings` is an instance of the class's own `Settings`; `http` is the guarded client for the partner,
    already closed in by time-outs and by the address guard.
    """

    name: ClassVar[str]
    """What users type: lower case, no blanks."""
    label: ClassVar[str]
    """What users read."""
    docs_url: ClassVar[str]
    version: ClassVar[str] = "1"
    """Raise it when members refused before may pass now: parked members are then tried again."""
    Settings: ClassVar[type[ConnectorSettings]]
    matching: ClassVar[Matching]
    limits: ClassVar[Limits]
    abilities: ClassVar[frozenset[Ability]]
    message_events: ClassVar[MessageEvents | None] = None
    oauth: ClassVar[OAuth | None] = None
    """How an account is connected by its owner's consent, beside a credential that is copied."""
    match_on: Sequence[MatchOn] = ()
    """By which of its `matching` keys the connection goes, in its order, and from which profile property each has its
    values; the hub sets it before the first call. None: all of them, as they stand."""

    def __init__(self, settings: Any, http: PartnerClient) -> None:
        self.settings = settings
        self.http = http

    @classmethod
    @abstractmethod
    def base_url(cls, settings: Any) -> str:
        """The address of the partner's API for these settings. Raises SettingsWrong when there is none."""

    @classmethod
    def audience_key(cls, name: str) -> str:
        """What the partner tells audiences apart by: two names with the same key are one audience to it.

        The hub lets one sync write an audience, so state a partner's folding (case, blanks) here and find audiences
        by it. As it stands, names are told apart exactly.
        """
        return name

    @abstractmethod
    async def check(self) -> Account:
        """Prove that the credential and the settings work, and tell whose account it is. Changes nothing.

        Raises CredentialRefused, SettingsWrong, Wait or PartnerUnavailable.
        """

    @classmethod
    async def authorized(cls, http: PartnerClient, token: str) -> Mapping[str, str]:
        """Settings that follow from a token of OAuth, such as the account's host. `http` is a client of the place that
        gave it, without the token. Changes nothing. As it stands, none."""
        return {}

    async def options(self, setting: str) -> list[Option]:
        """What the account offers for a setting declared with `options`. Changes nothing."""
        raise KeyError(setting)

    async def check_mapping(self, targets: Sequence[str]) -> None:  # noqa: B027 - it need not be there
        """Raise MappingWrong, naming them, when the partner has no fields of these names. Changes nothing.

        As it stands, the partner takes any name, or cannot tell.
        """

    @abstractmethod
    async def open_audience(self, name: str) -> Audience:
        """Find the audience of that name, or make it. Harmless when repeated.

        Raises SettingsWrong when the settings do not allow one, and the errors of `check`.
        """

    @abstractmethod
    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Put one batch into the audience and write its mapped values. Harmless when repeated.

        `members` has at most `limits.batch_size` members, each key once. Members who are in the audience
        already, and whose values changed, come here too.
        Raises AudienceGone, MappingWrong, BatchRefused, MemberRefused (a batch of one), and the errors of `check`.
        """

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Take one batch out of the audience. Somebody who is not in it counts as taken out.

        Raises the errors of `add`. Needed for Ability.REMOVE.
        """
        raise NotImplementedError(f"{self.label} cannot remove members")

    async def add_page(self, audience: Audience, members: Sequence[Member], page: Page) -> Outcome:
        """As `add`; the hub calls this one. Override it when the partner is told sessions and pages."""
        return await self.add(audience, members)

    async def remove_page(self, audience: Audience, members: Sequence[Member], page: Page) -> Outcome:
        """As `remove`; the hub calls this one. Override it when the partner is told sessions and pages."""
        return await self.remove(audience, members)

    def list_members(self, audience: Audience) -> AsyncIterator[Sequence[str | Member]]:
        """The keys of everybody in the audience, page by page, as `add` was given them. Needed for Ability.LIST.

        With several kinds of keys they are Members, with their `match`. A key may come twice. Raises AudienceGone, and
        the errors of `check`.
        """
        raise NotImplementedError(f"{self.label} cannot list members")

    def read_members(self, audience: Audience, targets: Sequence[str]) -> AsyncIterator[Sequence[Member]]:
        """As `list_members`, with what the partner has for these mapped targets; one that is empty there is left out.

        Needed for Ability.READ.
        """
        raise NotImplementedError(f"{self.label} cannot read values")

    @classmethod
    def same_value(cls, target: str, written: Value, read: Value) -> bool:
        """Whether a value that `add` wrote is what `read_members` tells of the target, as the partner keeps values.

        State a partner's own form of values here (texts that are cut, numbers as text). As it stands, they are equal.
        """
        return written == read

    async def close_audience(self, audience: Audience) -> None:
        """Delete the audience, not the people. One that is gone already is fine. Needed for Ability.CLOSE."""
        raise NotImplementedError(f"{self.label} cannot delete audiences")

    def pull(self, cursor: Cursor) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
        """Message events since `cursor`, page by page, each with the cursor to go on from.

        The hub stores a page before it stores the page's cursor, and drops events that it has: a page may
        come twice, and may overlap an earlier one, but none may be skipped. Needed for Ability.PULL.
        """
        raise NotImplementedError(f"{self.label} has no message events to pull")

    def greet(self, request: InboundRequest) -> Reply | None:
        """Answer what a partner asks only to see that somebody is there, such as a validator's GET; nothing is kept.

        Called before `verify`, so it must tell nothing and change nothing. As it stands, nobody is greeted.
        """
        return None

    def verify(self, request: InboundRequest) -> None:
        """Prove, on the raw bytes, that the partner sent this, within the window that the partner's retries need.

        Called before anything is kept or decoded. Compare in constant time. Raises NotVerified, in words that hold no
        secret. Needed for Ability.RECEIVE.
        """
        raise NotImplementedError(f"{self.label} receives nothing")

    def reply(self, request: InboundRequest) -> Reply:
        """What to answer once the request is kept, where the partner wants more than an empty 200."""
        return Reply()

    async def listen(self, url: str) -> Mapping[str, str]:
        """Have the partner send message events to `url`, the hub's door, from now on. Harmless when repeated.

        Returns the settings that have to be kept for `verify`, such as a signing secret that the partner tells once.
        Raises SettingsWrong, and the errors of `check`. Needed for Ability.LISTEN.
        """
        raise NotImplementedError(f"{self.label} cannot be told where to send")

    async def stop_listening(self, url: str) -> None:
        """Have the partner send nothing to `url` any more. Harmless when repeated. Needed for Ability.LISTEN."""
        raise NotImplementedError(f"{self.label} cannot be told where to send")

    def receive(self, request: InboundRequest) -> Received:
        """Decode a kept request: into message events, pages of cohorts, and what the connector has no name for.

        Called after the partner was answered, and again whenever an operator replays it: the same request gives the
        same ids. What cannot be decoded at all raises ValueError, in words for people; it is parked with them.
        Needed for Ability.RECEIVE.
        """
        raise NotImplementedError(f"{self.label} receives nothing")
