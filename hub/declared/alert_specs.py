"""Alert channels in a file: where each leads, and from which level on it is told. Secrets are no part of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, WithJsonSchema, model_validator

from hub.alerts.model import LEVELS, WARNING
from hub.alerts.targets import COMMAND, SLACK, WEBHOOK
from hub.cohorts.model import Model, Name, one_of, wrong
from hub.declared.values import Short

if TYPE_CHECKING:
    from hub.alerts.channels import Channel

KINDS = (WEBHOOK, SLACK, COMMAND)
TIMEOUT = timedelta(seconds=30)
"""How long a command may take, unless the file says otherwise."""

Level = Annotated[str, one_of(LEVELS), WithJsonSchema({"enum": [*LEVELS]})]


class AlertSpec(Model):
    """Where alerts of a level and above go: the address of a webhook, the host of a Slack-compatible one (its address
    is a secret), or the arguments of a command of the machine on which the file is applied."""

    webhook: Name | None = None
    slack: Name | None = None
    command: tuple[str, ...] | None = Field(default=None, min_length=1)
    timeout: Short | None = None
    level: Level = WARNING

    @model_validator(mode="before")
    @classmethod
    def _leads_somewhere(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not {*data} - {*cls.model_fields}:
            found = [kind for kind in KINDS if data.get(kind) is not None]
            if len(found) != 1:
                several = f"has {' and '.join(found)}, and can have one of them"
                raise wrong(several if found else f"must have one of {', '.join(KINDS)}")
            if data.get("timeout") is not None and found != [COMMAND]:
                raise wrong("goes with a command", key="timeout")
        return data

    @property
    def kind(self) -> str:
        """The kind of the channel."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)


def alert_spec(channel: Channel) -> AlertSpec:
    """A channel as a file says it."""
    settings = channel.settings
    if channel.kind == COMMAND:
        lasts = timedelta(seconds=settings["timeout_seconds"])
        timeout = None if lasts == TIMEOUT else lasts
        return AlertSpec(command=tuple(settings["argv"]), timeout=timeout, level=channel.level)
    if channel.kind == SLACK:
        return AlertSpec(slack=settings["host"], level=channel.level)
    return AlertSpec(webhook=settings["url"], level=channel.level)
