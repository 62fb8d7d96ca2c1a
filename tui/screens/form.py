"""What the forms have in common: fields that scroll, what is going on, what is wrong, and two buttons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Footer, Input, Label, Static

from hub.errors import HubError, UsageError
from tui.cells import Cell
from tui.session import Session
from tui.widgets.lines import content_of

Result = TypeVar("Result")


class FormScreen(ModalScreen[Result]):
    """A form. Escape leaves it at any time, and drops what was being asked.

    A subclass gives the title, the word on its button, the fields, and `submit`, which runs in a worker: it
    dismisses the form, or says with `refuse` what is wrong and leaves everything as it was typed.
    """

    TITLE_TEXT: ClassVar[str] = ""
    SUBMIT: ClassVar[str] = "Save"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "submit", "Submit"),
        Binding("tab", "app.focus_next", "Next field"),
        Binding("escape", "cancel", "Cancel"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._submitting = False

    def fields(self) -> Iterator[Widget]:
        """The form's fields."""
        raise NotImplementedError

    async def submit(self) -> None:
        """Do what the form is for."""
        raise NotImplementedError

    def title_text(self) -> str:
        """What the form is headed with."""
        return self.TITLE_TEXT

    def compose(self) -> ComposeResult:
        """Title, fields, what is going on, buttons, keys."""
        with Vertical(classes="dialog form"):
            yield Label(self.title_text(), classes="title", markup=False)
            with VerticalScroll(id="fields", can_focus=False):
                yield from self.fields()
            yield Static(id="said", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(self.SUBMIT, id="submit", variant="primary", compact=True)
                yield Button("Cancel", id="cancel", compact=True)
        yield Footer(show_command_palette=False, compact=True)

    def action_submit(self) -> None:
        """Submit, unless that is going on already."""
        if not self._submitting:
            self._submitting = True
            self.run_worker(self._submit(), group="submit")

    def action_cancel(self) -> None:
        """Leave the form; workers of the form are cancelled with it."""
        self.dismiss(None)

    def refuse(self, error: HubError) -> None:
        """Say what is wrong and what to do next."""
        # a hint on wrong settings speaks of command-line flags; here each field's own note stands in for it
        hint = "" if type(error) is UsageError else error.hint
        self.say(error.message, hint)

    def say(self, problem: str, hint: str = "") -> None:
        """Say what is wrong below the fields; nothing when it is empty."""
        lines = [[Cell(problem, "bad")]] + ([[Cell(hint)]] if hint else [])
        said = self.query_one("#said", Static)
        said.display = bool(problem)
        said.update(content_of(lines))

    @contextmanager
    def asking(self, whom: str) -> Iterator[None]:
        """Say for the length of the block that somebody is being asked."""
        said = self.query_one("#said", Static)
        said.display = True
        said.update(content_of([[Cell(f"Asking {whom}…", "busy"), Cell("  (escape cancels)", "dim")]]))
        try:
            yield
        finally:
            said.display = False

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "submit":
            self.action_submit()
        else:
            self.action_cancel()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.action_submit()

    async def _submit(self) -> None:
        try:
            await self.submit()
        except HubError as error:
            self.refuse(error)
        finally:
            self._submitting = False
