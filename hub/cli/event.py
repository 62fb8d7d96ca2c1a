"""`hub event`: events in, and out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import Json, open_hub, print_json, print_table, write_lines
from hub.cli.importing import Strict, import_files
from hub.cli.values import DAY, day, harmless
from hub.clock import shown

if TYPE_CHECKING:
    from hub.events.mapping import Mapping

app = typer.Typer(no_args_is_help=True, add_completion=False)

_CSV = "CSV columns (any of these options makes every FILE a CSV file)"


def _csv(name: str, said: str, metavar: str = "COLUMN") -> typer.models.OptionInfo:
    return typer.Option(name, help=said, metavar=metavar, rich_help_panel=_CSV, show_default=False)  # type: ignore[no-any-return]


@app.callback()
def _noun() -> None:
    """Events."""


@app.command("import")
def import_(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="JSON lines, a JSON array or CSV; plain, gzip or zstd; - for stdin."),
    ],
    strict: Strict = False,
    event_name: Annotated[str | None, _csv("--event-name", "The name of all events of the file.", "NAME")] = None,
    event_column: Annotated[str | None, _csv("--event-column", "Where the event's name is.")] = None,
    id_: Annotated[str | None, _csv("--id", "Who did it: the distinct_id.")] = None,
    time: Annotated[str | None, _csv("--time", "When.")] = None,
    time_format: Annotated[
        str | None,
        _csv(
            "--time-format",
            "iso (if left out), epoch (seconds), epoch-ms, or as strptime has it: '%d.%m.%Y %H:%M'. A time without a "
            "zone is one of the project's zone.",
            "FORMAT",
        ),
    ] = None,
    insert_id: Annotated[
        str | None, _csv("--insert-id", "What makes an event unique; if left out, the whole row does.")
    ] = None,
    properties: Annotated[
        list[str] | None,
        _csv(
            "--property",
            "A property; repeatable. If left out, all other columns are, as texts. An empty cell is not set.",
            "COLUMN[=NAME][:number|boolean|text|time]",
        ),
    ] = None,
    delimiter: Annotated[
        str | None, _csv("--delimiter", "If left out a comma, in files called .tsv a tab.", "CHARACTER")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take in files of events, in the form that Mixpanel's import takes and its raw export gives: one JSON object a
    line, or a JSON array of them. Or CSV, whose columns the options explain; a file called .csv or .tsv needs them.

    A file that is in already adds nothing (of CSV: the same file with the same columns), and one that was interrupted
    goes on where it stopped. Lines that cannot go in are told on standard error, and the command ends with 4. With
    --json: one object a file, with `file`, `digest`, `state` (done, already imported, refused), `lines`, `accepted`,
    `rejected`, `reasons`, `rejects` (the first 100), `seconds`.
    """
    given = {
        "event_name": event_name,
        "event_column": event_column,
        "id": id_,
        "time": time,
        "time_format": time_format,
        "insert_id": insert_id,
        "properties": tuple(properties or ()) or None,
        "delimiter": delimiter,
    }
    mapping = _mapping({name: value for name, value in given.items() if value is not None})
    events = open_hub().events
    import_files(
        files,
        "events",
        lambda file, progress, stop: events.import_file(
            file, mapping=mapping, strict=strict, progress=progress, stop=stop
        ),
        as_json=as_json,
    )


@app.command()
def export(
    from_: Annotated[str, typer.Option("--from", help="The first day, of the project's zone.", metavar=DAY)] = "",
    to: Annotated[str, typer.Option("--to", help="The last day; it is included.", metavar=DAY)] = "",
    names: Annotated[
        list[str] | None, typer.Option("--event", help="Events of this name alone; repeatable.", metavar="NAME")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="No more events than that.")] = None,
) -> None:
    """Print events as Mixpanel's raw export gives them, the earliest first: one JSON object a line.

    Each event is there once, however often it came in. `distinct_id` is the person whom it belongs to, `time` is in
    seconds since 1970 UTC, `mp_processing_time_ms` is when the hub got it. `hub event import` takes it in again.
    """
    from hub.people.event_export import Wanted

    wanted = Wanted(day(from_, "--from"), day(to, "--to"), names or (), limit)
    write_lines(open_hub().export_events(wanted))


@app.command("rejected")
def rejected_(
    samples: Annotated[bool, typer.Option("--samples", help="Show the beginnings of the newest ones, too.")] = False,
    as_json: Json = False,
) -> None:
    """What the server refused, by where it came in (track, import, engage) and why.

    Everything is counted; of each reason the newest 20 are kept to look at.
    """
    hub = open_hub()
    found = hub.rejections()
    if as_json:
        print_json([each.figures(samples=samples) for each in found])
        return
    zone = hub.workspace.project.timezone
    print_table(
        ("source", "count", "first", "last", "reason"),
        [
            (each.source, f"{each.count:,}", shown(each.first_at, zone), shown(each.last_at, zone), each.reason)
            for each in found
        ],
        empty="Nothing was refused.",
    )
    for each in found if samples else ():
        typer.echo(f"\n{each.source}: {each.reason}")
        for at, excerpt in each.samples:
            typer.echo(f"  {shown(at, zone)}  {harmless(excerpt)}")


def _mapping(given: dict[str, str | tuple[str, ...]]) -> Mapping | None:
    if not given:
        return None
    import msgspec

    from hub.events.mapping import Mapping

    return msgspec.convert(given, Mapping)
