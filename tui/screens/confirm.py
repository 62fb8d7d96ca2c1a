"""A question to answer with yes or no, by keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Label, Static

if TYPE_CHECKING:
    from tui.session import Session


class ConfirmScreen(ModalScreen[bool]):
    """Asks `question`; the answer is True for `yes`. The focus is on no, so that a stray enter changes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
        Binding("left,right", "app.focus_next", "Other", show=False),
    ]

    def __init__(self, question: str, consequence: str, *, yes: str) -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence
        self._yes = yes

    def compose(self) -> ComposeResult:
        """The question, what yes means, and two buttons."""
        with Vertical(classes="dialog narrow"):
            yield Label(self._question, classes="title", markup=False)
            yield Static(self._consequence, markup=False)
            with Horizontal(classes="buttons"):
                yield Button(f"{self._yes} (y)", id="yes", variant="error", compact=True)
                yield Button("No (n)", id="no", compact=True)

    def on_mount(self) -> None:
        """Stand on no."""
        self.query_one("#no").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Answer by key."""
        self.dismiss(answer)


def ask_to_stop_run(where: Widget, session: Session, sync: str) -> None:
    """Ask whether to stop a run that is under way here, and do so."""

    def stop(yes: bool | None) -> None:
        if yes and sync in session.runs:
            session.runs[sync].stop.set()

    question = ConfirmScreen(
        f"Stop the run of {sync}?",
        "It finishes the batch in hand, saves and ends. Press n on the sync to go on with it later.",
        yes="Stop the run",
    )
    where.app.push_screen(question, stop)
