"""How the story is printed: for a person on a terminal, and as plain text elsewhere."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from hub.events.report import Progress as ImportProgress
    from hub.sync.models import Progress as RunProgress

_WIDTH = 100


class Teller:
    """Prints the story: chapters, sentences, figures in columns, and bars for what takes a while."""

    def __init__(self, *, to_stderr: bool = False) -> None:
        self._console = Console(stderr=to_stderr, highlight=False, markup=False, soft_wrap=True)
        self._width = min(self._console.width, _WIDTH) if self._console.is_terminal else _WIDTH
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        self._console.print()
        self._console.print(f"{self._chapter}. {title}", style="bold")

    def say(self, text: str) -> None:
        """Tell something in a sentence or more."""
        self._console.print(self._wrapped(text, "   "))

    def show(self, text: str) -> None:
        """Show a text as it is, such as a definition or a command."""
        for line in text.rstrip().splitlines():
            self._console.print(f"     {line}", style="cyan")

    def figures(self, rows: dict[str, int]) -> None:
        """Show numbers, one under the other, each with what it counts."""
        for what, number in rows.items():
            self._console.print(f"   {number:>9,}  {what}")

    def checked(self, what: str) -> None:
        """Tell that something was compared and found right."""
        self._console.print(self._wrapped(f"✓ {what}", "     ", first="   "), style="green")

    @contextmanager
    def importing(self, what: str) -> Iterator[ImportProgress]:
        """A bar for an import, on a terminal."""
        with self._bar(what) as show:
            yield lambda done, total, accepted, rejected: show(done, total)

    @contextmanager
    def running(self, what: str) -> Iterator[Callable[[RunProgress], None]]:
        """A bar for a run of a sync, on a terminal."""
        with self._bar(what) as show:
            yield lambda progress: show(progress.done, progress.total)

    def _wrapped(self, text: str, indent: str, *, first: str = "") -> str:
        return textwrap.fill(text, self._width, initial_indent=first or indent, subsequent_indent=indent)

    @contextmanager
    def _bar(self, what: str) -> Iterator[Callable[[int, int], None]]:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("   {task.description}"), BarColumn(), TimeElapsedColumn())
        quiet = not self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=quiet) as bars:
            task = bars.add_task(what, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total or None)
