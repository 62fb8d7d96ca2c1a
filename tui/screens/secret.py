"""A secret that is shown once."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Label, Static


class SecretScreen(ModalScreen[None]):
    """Shows what the receiver of a channel verifies signatures with."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "I have copied it", key_display="esc"),
        Binding("ctrl+c", "copy", "Copy"),
    ]

    def __init__(self, channel: str, secret: str) -> None:
        super().__init__()
        self._channel = channel
        self._secret = secret

    def compose(self) -> ComposeResult:
        """What it is for, and the secret on a line of its own."""
        with Vertical(classes="dialog narrow"):
            yield Label(f"The secret of {self._channel}", classes="title", markup=False)
            yield Static("Its receiver verifies webhook-signature with it. It is not shown again.\n", markup=False)
            yield Static(self._secret, id="secret", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def action_copy(self) -> None:
        """Ask the terminal to put it into the clipboard, if it can."""
        self.app.copy_to_clipboard(self._secret)
