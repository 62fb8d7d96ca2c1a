"""The form that adds a channel of alerts, and that changes one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from textual import on
from textual.widget import Widget
from textual.widgets import Input, Select

from hub.alerts.model import CRITICAL, WARNING
from hub.alerts.targets import COMMAND, SLACK, WEBHOOK, Target, given_secret
from hub.errors import AlreadyExists, HubError, InputError
from hub.sync.intervals import interval, interval_text
from tui.screens.form import FormScreen
from tui.session import Session
from tui.widgets.field import Labelled

if TYPE_CHECKING:
    from hub.alerts.channels import Channel

KINDS = [
    ("webhook: a signed request", WEBHOOK),
    ("Slack-compatible chat", SLACK),
    ("command of this machine", COMMAND),
]
LEVELS = [("every alert", WARNING), ("critical alerts alone", CRITICAL)]
_ADDRESS = {
    WEBHOOK: "It has the form https://host/path.",
    SLACK: "The whole address, which is kept secret: https://hooks.slack.com/services/...",
}


@dataclass(frozen=True)
class Saved:
    """A channel that was saved; `secret` is what was made up for it, to be shown once."""

    name: str
    secret: str = ""


class ChannelScreen(FormScreen[Saved]):
    """Asks where alerts go and which; the result is what was saved. With `edited`, kind and name stay."""

    def __init__(self, session: Session, *, edited: Channel | None = None) -> None:
        super().__init__(session)
        self._edited = edited

    def title_text(self) -> str:
        """What the form does."""
        return f"Edit {self._edited.name} ({self._edited.kind})" if self._edited else "Add a channel of alerts"

    def fields(self) -> Iterator[Widget]:
        """Kind and name, then what the kind asks for, and the level."""
        edited = self._edited
        if edited is None:
            yield Labelled("Kind *", Select(KINDS, value=WEBHOOK, allow_blank=False, compact=True, id="kind"))
            yield Labelled("Name *", Input(compact=True, id="name"), "How you call it, for example ops.")
        kept = "unchanged; type a new one to renew it" if self._kind == SLACK else ""
        url = Input(self._first_url, password=self._kind == SLACK, placeholder=kept, compact=True, id="url")
        yield Labelled("Address *", url, id="address")
        yield Labelled(
            "Command *", Input(self._first_argv, compact=True, id="argv"), "With its arguments; no shell.", id="command"
        )
        yield Labelled("May take", Input(self._first_timeout, compact=True, id="timeout"), id="lasts")
        level = edited.level if edited else WARNING
        yield Labelled("Is told *", Select(LEVELS, value=level, allow_blank=False, compact=True, id="level"))

    def on_mount(self) -> None:
        """Show the fields of the kind, and stand on the first to be filled in."""
        self.say("")
        self._show_kind(self._kind)
        if self._edited:
            self.query_one("#argv" if self._kind == COMMAND else "#url").focus()
        else:
            self.query_one("#name").focus()

    async def submit(self) -> None:
        """Save it."""
        self.say("")
        channels, edited, level = self.session.hub.alerts.channels, self._edited, self._chosen("level")
        kind = edited.kind if edited else self._chosen("kind")
        if edited:
            target = self._target(kind) if self._leads_elsewhere(kind) else None
            await self.session.read(lambda: channels.edit(edited.name, target=target, level=level))
            self.dismiss(Saved(edited.name))
            return
        name, target = self._text("name"), self._target(kind)
        secret = given_secret(name) if kind == WEBHOOK else ""
        made = await self.session.read(lambda: channels.add(name, target, level=level, secret=secret))
        self.dismiss(Saved(name, made))

    def refuse(self, error: HubError) -> None:
        """Say what is wrong, and go to the name if it is taken."""
        super().refuse(error)
        if isinstance(error, AlreadyExists):
            self.query_one("#name").focus()

    @property
    def _kind(self) -> str:
        return self._edited.kind if self._edited else WEBHOOK

    @property
    def _first_url(self) -> str:
        return str(self._edited.settings["url"]) if self._edited and self._kind == WEBHOOK else ""

    @property
    def _first_argv(self) -> str:
        return shlex.join(self._edited.settings["argv"]) if self._edited and self._kind == COMMAND else ""

    @property
    def _first_timeout(self) -> str:
        if self._edited and self._kind == COMMAND:
            return interval_text(timedelta(seconds=self._edited.settings["timeout_seconds"]))
        return "30s"

    def _leads_elsewhere(self, kind: str) -> bool:
        if kind == COMMAND:
            return (self._text("argv"), self._text("timeout")) != (self._first_argv, self._first_timeout)
        return self._text("url") != self._first_url

    def _target(self, kind: str) -> Target:
        if kind != COMMAND:
            return Target(kind, url=self._text("url"))
        try:
            argv = shlex.split(self._text("argv"))
        except ValueError as error:
            raise InputError("The command cannot be read: a quotation mark has no other end.") from error
        return Target(COMMAND, argv=tuple(argv), timeout=interval(self._text("timeout")))

    @on(Select.Changed, "#kind")
    def _kind_chosen(self, event: Select.Changed) -> None:
        self._show_kind(str(event.value))

    def _show_kind(self, kind: str) -> None:
        self.query_one("#address", Labelled).display = kind != COMMAND
        self.query_one("#address", Labelled).note(_ADDRESS.get(kind, ""))
        self.query_one("#url", Input).password = kind == SLACK
        self.query_one("#command").display = self.query_one("#lasts").display = kind == COMMAND

    def _chosen(self, name: str) -> str:
        return str(self.query_one(f"#{name}", Select).value)

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()
