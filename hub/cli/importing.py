"""What `hub event import` and `hub profile import` share: files one after the other, progress, and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import console, interruptible, print_json, quit_with, say
from hub.errors import InputError

if TYPE_CHECKING:
    from hub.events.report import ImportReport, Progress, Reject, Stop

    Import = Callable[[str, Progress | None, Stop], ImportReport]

WRONG_INPUT, REJECTED = 2, 4

Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Check the whole file first, and take nothing of it in when a line is wrong: the command tells the first "
        "wrong lines and ends with 2. The file is read twice.",
    ),
]


def import_files(files: Sequence[str], what: str, import_file: Import, *, as_json: bool) -> None:
    """Import files, and end with 0, with 4 when a line was rejected, with 2 when a file is not what it says.

    A file that cannot be imported does not keep the others out. `what` is `events` or `profiles`.
    """
    codes = {0}
    with interruptible() as stop:
        for file in files:
            try:
                with _progress(file) as progress:
                    report = import_file(file, progress, stop)
            except InputError as error:
                _tell_refused(error, as_json=as_json)
                say(f"Error: {error.message}")
                if error.hint:
                    say(f"       {error.hint}")
                codes.add(WRONG_INPUT)
                continue
            _tell(report, what, as_json=as_json)
            codes.add(REJECTED if report.rejected else 0)
    if len(codes) > 1:
        quit_with(WRONG_INPUT if WRONG_INPUT in codes else REJECTED)


def figures(report: ImportReport) -> dict[str, object]:
    """A report with the documented keys of `--json`."""
    found = {**asdict(report), "rejects": [*map(_figures, report.rejects)], "seconds": round(report.seconds, 3)}
    del found["unit"]
    return found


def _figures(reject: Reject) -> dict[str, object]:
    element = {} if reject.element is None else {"element": reject.element}
    return {"line": reject.line, **element, "reason": reject.reason}


def _tell(report: ImportReport, what: str, *, as_json: bool) -> None:
    _tell_rejects(report)
    if as_json:
        print_json(figures(report))
    else:
        typer.echo(_sentence(report, what))


def _tell_refused(error: InputError, *, as_json: bool) -> None:
    """What a strict import found, if that is what the error is about."""
    from hub.events.report import Refused

    if isinstance(error, Refused):
        _tell_rejects(error.report)
        if as_json:
            print_json(figures(error.report))


def _tell_rejects(report: ImportReport) -> None:
    for reject in report.rejects:
        element = "" if reject.element is None else f"element {reject.element}: "
        say(f"{report.file}:{reject.line}: {element}{reject.reason}")
    if report.rejected > len(report.rejects):
        say(f"... and {report.rejected - len(report.rejects):,} more.")


def _sentence(report: ImportReport, what: str) -> str:
    rejected = f", {report.rejected:,} {report.unit}{'s' * (report.rejected > 1)} rejected" if report.rejected else ""
    if report.state != "done":
        return f"{report.file}: imported before ({report.accepted:,} {what}{rejected}); nothing was added"
    rate = f"{report.accepted / report.seconds:,.0f} a second" if report.seconds else ""
    return f"{report.file}: {report.accepted:,} {what}{rejected}, in {report.seconds:.1f} s ({rate})"


@contextmanager
def _progress(file: str) -> Iterator[Progress | None]:
    """A progress bar on standard error when that is a terminal; nothing elsewhere."""
    screen = console()
    if not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[counts]}"), console=screen, transient=True) as bar:
        task = bar.add_task(file, total=None, counts="")

        def show(done: int, total: int, accepted: int, rejected: int) -> None:
            bad = f", {rejected:,} rejected" if rejected else ""
            bar.update(task, completed=done, total=total, counts=f"{accepted:,} in{bad}")

        yield show
