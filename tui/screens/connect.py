"""The form that connects a partner, and that changes a connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual import events, on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input, Select

from hub.connectors.connection import Connection
from hub.connectors.fields import SettingField, from_environment
from hub.errors import AlreadyExists, CredentialRefused, HubError
from tui import words
from tui.screens.form import FormScreen
from tui.session import Session
from tui.widgets.field import Labelled, SettingInput


class ConnectScreen(FormScreen[str]):
    """Asks for what a connector's settings are made of; the result is the connection's name.

    With `edited`, only what was changed is saved; a credential that is left empty stays as it is.
    """

    SUBMIT = "Connect"
    AUTO_FOCUS = "#name"  # from the first moment, so that no key is lost

    def __init__(self, session: Session, *, edited: Connection | None = None) -> None:
        super().__init__(session)
        self._edited = edited
        self._connector = edited.connector if edited else ""
        self._labels: dict[str, str] = {edited.connector: edited.label} if edited else {}
        self._environment: dict[str, str] = {}
        self._asked: dict[str, Mapping[str, str]] = {}

    def title_text(self) -> str:
        """What the form does, and to whom."""
        return f"Edit {self._edited.name} ({self._edited.label})" if self._edited else "Connect a partner"

    def fields(self) -> Iterator[Widget]:
        """The partner and the name, then the partner's own settings, which come when it is chosen."""
        if not self._edited:
            select: Select[str] = Select([], prompt="reading…", compact=True, id="connector")
            yield Labelled("Partner *", select, id="partner")
            yield Labelled("Name *", Input(compact=True, id="name"), "How you call this account, for example eu-main.")
        yield Vertical(id="settings")
        match = ", ".join(self._edited.match) if self._edited else ""
        yield Labelled(
            "Matched by",
            Input(match, compact=True, id="match"),
            "Keys in order, like $email=work_email, $phone; the partner's own if empty.",
        )

    def on_mount(self) -> None:
        """Find out which partners there are, or which settings the edited connection has."""
        self.say("")
        self.run_worker(self._fill() if self._edited else self._offer_connectors(), group="fill")

    async def submit(self) -> None:
        """Check at the partner, and keep the connection when it works."""
        self.say("")
        if await self._complete():
            with self.asking(self._labels[self._connector]):
                saved = await self.session.ask(self._save)
            self.dismiss(saved.name)

    def refuse(self, error: HubError) -> None:
        """Say what is wrong, and go to the field that it is about."""
        super().refuse(error)
        if isinstance(error, CredentialRefused):
            self._focus_secret()
        elif isinstance(error, AlreadyExists):
            self.query_one("#name").focus()

    @property
    def _inputs(self) -> list[SettingInput]:
        return list(self.query(SettingInput))

    async def _save(self) -> Connection:
        connections, match = self.session.hub.connections, self.query_one("#match", Input).value.strip()
        if not self._edited:
            name = self.query_one("#name", Input).value.strip()
            return await connections.add(self._connector, name, self._values(), match=match)
        saved = await connections.edit(self._edited.name, self._values())
        if match == ", ".join(self._edited.match):
            return saved
        return connections.rematch(self._edited.name, match)

    def _values(self) -> dict[str, str]:
        """What is filled in; for an edited connection, what was changed."""
        if self._edited:
            return {field.setting.name: field.value for field in self._inputs if field.changed}
        values = {field.setting.name: field.value for field in self._inputs if field.value}
        secrets = {field.setting.name for field in self._inputs if field.setting.kind == "secret"}
        given = {name: value for name, value in self._environment.items() if name in secrets}
        return {**given, **values}

    async def _complete(self) -> bool:
        """Whether everything that must be filled in is; goes to the first field that is not."""
        if not self._connector:
            self.say("Choose a partner first.")
            return False
        if not self._edited and not self.query_one("#name", Input).value.strip():
            self.say("Give the connection a name.")
            self.query_one("#name").focus()
            return False
        if missing := self._missing():
            missing.say("Fill this in.", bad=True)
            missing.widget.focus()
            return False
        for field in self._inputs:
            if field.setting.kind == "options" and not field.value and not await self._chosen(field):
                return False
        return True

    def _missing(self) -> SettingInput | None:
        wanted = [field for field in self._inputs if field.setting.kind != "options" and not field.may_be_empty]
        return next((field for field in wanted if not field.value), None)

    async def _chosen(self, field: SettingInput) -> bool:
        """Ask what there is to choose; the only choice is chosen at once."""
        await self._ask_options(field)
        if not field.value:
            field.widget.focus()
        return bool(field.value)

    async def _ask_options(self, field: SettingInput) -> None:
        values = self._values()
        values.pop(field.setting.name, None)
        if self._asked.get(field.setting.name) == values:
            return
        connections, name = self.session.hub.connections, field.setting.name
        with self.asking(self._labels[self._connector]):
            offered = await self.session.ask(lambda: connections.options(self._connector, values, name))
        self._asked[name] = values
        field.offer(offered)
        if not offered:
            field.say("The account has nothing to choose from; make one at the partner first.", bad=True)
        else:
            field.say("" if len(offered) == 1 else f"Choose one of the {len(offered)} that the account has.")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A field whose choices only the account knows asks for them when it is reached."""
        field = event.widget.parent.parent if event.widget.parent else None
        if isinstance(field, SettingInput) and field.setting.kind == "options" and not self._submitting:
            self.run_worker(self._offer(field), group="options", exclusive=True)

    async def _offer(self, field: SettingInput) -> None:
        secrets = [each for each in self._inputs if each.setting.kind == "secret" and not each.may_be_empty]
        unknown = [each for each in secrets if not self._known(each)]
        if unknown:
            field.say(f"What there is to choose is asked once you have typed: {unknown[0].setting.title}.")
            return
        try:
            await self._ask_options(field)
        except HubError as error:
            field.say(f"{error.message} {error.hint if isinstance(error, CredentialRefused) else ''}", bad=True)

    def _known(self, field: SettingInput) -> bool:
        return bool(field.value) or (not self._edited and field.setting.name in self._environment)

    async def _offer_connectors(self) -> None:
        plugins = await self.session.read(lambda: self.session.hub.plugins)
        self._labels = {name: connector.label for name, connector in plugins.connectors.items()}
        select = self.query_one("#connector", Select)
        select.set_options([(label, name) for name, label in sorted(self._labels.items())])
        select.prompt = "choose"
        broken = [f"{plugin.name} was left out: {plugin.error}" for plugin in plugins.found if plugin.error]
        if broken:
            self.query_one("#partner", Labelled).note("\n".join(broken), bad=True)
        if not self._labels:
            self.say("No partner's plugin is installed.", "See hub plugin list.")
        elif len(self._labels) == 1:
            select.value = next(iter(self._labels))
        elif not self.query_one("#name", Input).value:
            select.focus()  # nothing was typed meanwhile

    @on(Select.Changed, "#connector")
    def _connector_chosen(self, event: Select.Changed) -> None:
        if event.select.is_blank():
            return
        name = self.query_one("#name", Input)
        if name.value in ("", self._connector):
            name.value = str(event.value)
            name.select_all()
        self._connector = str(event.value)
        self.run_worker(self._fill(), group="fill", exclusive=True)

    async def _fill(self) -> None:
        """Put up the fields of the chosen connector."""
        hub, connector = self.session.hub, self._connector
        try:
            wanted = await self.session.read(lambda: hub.connections.fields(connector))
        except HubError as error:
            self.refuse(error)
            return
        self._environment = {} if self._edited else from_environment(hub.plugins.connector(connector))
        self._asked = {}
        settings = self.query_one("#settings", Vertical)
        await settings.remove_children()
        await settings.mount_all(self._input(setting) for setting in wanted)
        if self._edited:
            self._focus_secret()

    def _input(self, setting: SettingField) -> SettingInput:
        given = setting.name in self._environment
        shown = "" if setting.kind == "secret" else self._environment.get(setting.name, "")
        if self._edited:
            shown = words.setting(self._edited.settings.get(setting.name))
        return SettingInput(setting, value=shown, given=given, kept=self._edited is not None)

    def _focus_secret(self) -> None:
        secrets = [field for field in self._inputs if field.setting.kind == "secret"]
        if secrets or self._inputs:
            widget = (secrets or self._inputs)[0].widget
            widget.focus()
            if isinstance(widget, Input):
                widget.select_all()  # so that typing replaces what was refused
