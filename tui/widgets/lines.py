"""Toned lines as content for a Static."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from tui.details import Line

STYLES = {
    "": "",
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "$text-error bold",
    "busy": "$text-primary",
    "dim": "$foreground-muted",
}
"""The theme's colour for each tone."""


def content_of(lines: Iterable[Line]) -> Content:
    """Lines as content, in the theme's colours. Nothing in them is taken for markup."""
    return Content("\n").join(
        Content("").join(Content.styled(cell.text, STYLES[cell.tone]) for cell in line) for line in lines
    )
