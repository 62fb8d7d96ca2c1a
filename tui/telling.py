"""Telling the person at the screen what happened. Nothing in it is taken for markup: partners' words come here."""

from __future__ import annotations

from textual.dom import DOMNode
from textual.notifications import SeverityLevel

from hub.errors import HubError


def tell(where: DOMNode, message: str, severity: SeverityLevel = "information") -> None:
    """Say it in a corner of the screen, longer when it is bad."""
    where.app.notify(message, severity=severity, timeout=4 if severity == "information" else 12, markup=False)


def failed(where: DOMNode, error: HubError) -> None:
    """Say what went wrong, and what to do next."""
    tell(where, f"{error.message} {error.hint}".strip(), severity="error")
