"""One setting to fill in: its title, a widget that fits its kind, and what is to be known about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Static

from hub.connectors.contract import Option
from hub.connectors.fields import SettingField


class YesNo(Static, can_focus=True):
    """A switch that says in words how it stands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "switch", "Yes or no", key_display="space"),
    ]

    yes: reactive[bool] = reactive(False)

    def __init__(self, *, yes: bool) -> None:
        super().__init__(markup=False)
        self.set_reactive(YesNo.yes, yes)

    def render(self) -> str:
        """`[x] yes` or `[ ] no`."""
        return "[x] yes" if self.yes else "[ ] no"

    def action_switch(self) -> None:
        """Change it."""
        self.yes = not self.yes

    def on_click(self, event: events.Click) -> None:
        """A click changes it, too."""
        self.action_switch()


class Labelled(Vertical):
    """A title, a widget on the same line, and a note below it."""

    def __init__(self, title: str, widget: Widget, note: str = "", *, id: str | None = None) -> None:
        super().__init__(id=id, classes="field")
        self._title = title
        self._widget = widget
        self._note = note

    def compose(self) -> ComposeResult:
        """Title and widget side by side, the note under the widget."""
        with Horizontal():
            yield Label(self._title, classes="field-title", markup=False)
            yield self._widget
        note = Static(self._note, classes="field-note", markup=False)
        note.display = bool(self._note)
        yield note

    def note(self, text: str, *, bad: bool = False) -> None:
        """Say something under the widget, instead of what stood there."""
        below = self.query_one(".field-note", Static)
        below.update(text)
        below.display = bool(text)
        below.set_class(bad, "-bad")


class SettingInput(Labelled):
    """A `SettingField` as something to fill in.

    `value` is what it holds at first; `given` tells that the environment has a value, which leaving it empty keeps;
    with `kept` leaving a secret empty keeps the one that is stored.
    """

    def __init__(self, setting: SettingField, *, value: str = "", given: bool = False, kept: bool = False) -> None:
        self.setting = setting
        self.first = value or setting.default
        self._given = given
        self._kept = kept and setting.kind == "secret"
        self._about = _about(setting, given=given)
        mark = "" if self.may_be_empty else " *"
        super().__init__(setting.title + mark, self._made(), self._about, id=f"setting-{setting.name}")

    @property
    def may_be_empty(self) -> bool:
        """Whether nothing has to be filled in."""
        return not self.setting.required or self._given or self._kept

    @property
    def widget(self) -> Widget:
        """What is filled in."""
        return self._widget

    @property
    def value(self) -> str:
        """The text of what is filled in; empty when nothing is."""
        if isinstance(self._widget, YesNo):
            return "yes" if self._widget.yes else "no"
        if isinstance(self._widget, Select):
            return "" if self._widget.is_blank() else str(self._widget.value)
        assert isinstance(self._widget, Input)
        return self._widget.value.strip()

    @property
    def changed(self) -> bool:
        """Whether it holds something else than at first."""
        return self.value != self.first

    def say(self, text: str, *, bad: bool = False) -> None:
        """Say something about the value, before the description; an empty text takes it away."""
        self.note(f"{text}\n{self._about}".strip(), bad=bad)

    def offer(self, options: Sequence[Option]) -> None:
        """Offer what the account has; the only choice there is, is chosen. A choice made before is kept."""
        assert isinstance(self._widget, Select)
        before = self.value
        self._widget.set_options([(_named(option), option.value) for option in options])
        values = [option.value for option in options]
        if before in values:
            self._widget.value = before
        elif len(values) == 1:
            self._widget.value = values[0]

    def _made(self) -> Widget:
        setting = self.setting
        if setting.kind == "yes-no":
            return YesNo(yes=self.first == "yes")
        if setting.kind == "choice":
            choices = [(choice, choice) for choice in setting.choices]
            return _select(choices, self.first if self.first in setting.choices else "", blank=self.may_be_empty)
        if setting.kind == "options":
            return _select([(self.first, self.first)] if self.first else [], self.first, blank=True)
        placeholder = "unchanged; type a new one to renew it" if self._kept else ""
        secret = setting.kind == "secret"
        return Input(self.first, password=secret, compact=True, placeholder=placeholder)


def _select(choices: list[tuple[str, str]], value: str, *, blank: bool) -> Select[str]:
    empty = blank or value == ""
    return Select(choices, value=value or Select.NULL, allow_blank=empty, compact=True, prompt="choose")


def _named(option: Option) -> str:
    return f"{option.label} ({option.value})" if option.label != option.value else option.label


def _about(setting: SettingField, *, given: bool) -> str:
    if given:
        return f"Given by {setting.variable}; leave it empty to use that. {setting.description}"
    return setting.description
