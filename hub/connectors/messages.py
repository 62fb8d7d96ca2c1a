"""What partners tell about the messages that they sent: kinds of message events, and message events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any


class Metric(StrEnum):
    """What happened to a message, in one word for all partners: reports, campaigns and checks count by it."""

    SENT = "sent"
    DELIVERED = "delivered"
    OPENED = "opened"
    CLICKED = "clicked"
    CONVERTED = "converted"
    BOUNCED = "bounced"
    """It could not be delivered, for good or for now; the event's property `bounce_type` is `hard` or `soft`."""
    DEFERRED = "deferred"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The partner decided not to send it (suppressed, dropped, aborted)."""
    COMPLAINED = "complained"
    """The recipient called it spam."""
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    REPLIED = "replied"
    OTHER = "other"


@dataclass(frozen=True)
class MessageEventKind:
    """One kind of message event of a partner, and the name it gets in the hub.

    `exempt` events do not make a person a monthly tracked user. `also_known_as` are other spellings of the
    same event that users' data may hold; they share the exemption. `channel` is email, push, sms, whatsapp, in_app,
    webhook and so on, as the partner has them; empty for what is about no channel.
    """

    kind: str
    event: str
    exempt: bool
    also_known_as: tuple[str, ...] = ()
    metric: Metric = Metric.OTHER
    channel: str = "email"


@dataclass(frozen=True)
class MessageEvents:
    """The message events of a partner, as data. `page` documents the names.

    `source` is the value of the property `marker`, by which the partner's events are told from others: Mixpanel's
    list of exempt events names a marker for each partner.
    """

    source: str
    page: str
    kinds: tuple[MessageEventKind, ...]
    marker: str = "$source"

    def event_of(self, kind: str) -> str:
        """The event name of one of the partner's kinds. Raises KeyError for an unknown kind."""
        return self.kind_of(kind).event

    def kind_of(self, kind: str) -> MessageEventKind:
        """One of the partner's kinds. Raises KeyError for an unknown kind."""
        return self._by_kind[kind]

    @cached_property
    def _by_kind(self) -> Mapping[str, MessageEventKind]:
        # asked for every event, and Braze has a hundred kinds
        return {known.kind: known for known in self.kinds}


@dataclass(frozen=True)
class Origin:
    """What a message was sent for, at the partner: a campaign, a newsletter, a canvas. `id` stays when `name` changes.

    An empty `name` means that the partner did not tell it.
    """

    id: str
    name: str = ""


@dataclass(frozen=True)
class MessageEvent:
    """Something that happened to a message, as the partner tells it.

    `kind` is one of the connector's `message_events`; `id` is the same whenever the partner tells of this
    event again; `match` is (profile property, normalised value) that finds the person when read (of the property
    `distinct_id` it is the person's own id); `time` is aware UTC; `properties` are JSON values.

    `origin` becomes the properties `campaign_id` and `campaign_name`. `message` is the partner's id of the one message
    to this one person, the same for its sending, opens and clicks (`message_id`). `machine` tells that a machine opened
    or clicked, such as a mail proxy or a link scanner, and no person.
    """

    kind: str
    id: str
    match: tuple[str, str]
    time: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = None
    message: str = ""
    machine: bool = False
