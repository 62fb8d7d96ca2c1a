"""`hub cohort`: who matters, defined as text or in a file."""

from __future__ import annotations

import json
from textwrap import indent
from typing import Annotated

import typer

from hub.cli.cohort_history import history
from hub.cli.cohort_members import Name, count, export, members, refresh
from hub.cli.context import (
    Json,
    Yes,
    confirm,
    interruptible,
    open_hub,
    print_json,
    print_table,
    quoted,
    say,
    say_what_goes,
)
from hub.cli.definitions import CohortIds, File, Mixpanel, Set, TemplateName, Where, definition_from
from hub.cli.explaining import ShowWaterfall, explain, overlap, preview, show_workings
from hub.cli.lists import (
    Delimiter,
    Freeze,
    Key,
    KeyColumn,
    ListOptions,
    OfWarehouse,
    Properties,
    ReceivedList,
    Replace,
    SqlFile,
    StaticFile,
    add_list,
    layout,
    tell,
)
from hub.cli.versions import Message, diff, edit, revert, show_versions
from hub.clock import ago, shown
from hub.cohorts.cohort import Cohort
from hub.cohorts.documents import write_yaml
from hub.errors import UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _noun() -> None:
    """Cohorts."""


@app.command()
def add(
    name: Name,
    where: Where = None,
    file: File = None,
    template: TemplateName = None,
    settings: Set = None,
    mixpanel: Mixpanel = None,
    cohort_ids: CohortIds = None,
    static: StaticFile = None,
    freeze: Freeze = None,
    sql: SqlFile = None,
    received: ReceivedList = False,
    warehouse: OfWarehouse = None,
    key: Key = None,
    column: KeyColumn = None,
    properties: Properties = None,
    delimiter: Delimiter = None,
    replace: Replace = False,
    description: Annotated[str, typer.Option(help="A sentence for people; the definition's own if left out.")] = "",
    message: Message = "",
    as_json: Json = False,
) -> None:
    """Keep a definition, or a list of members, under a name. What cannot be read saves nothing.

    As text, between single quotes for the shell:

    \b
    --where 'did "Purchase" at least 3 times in last 180 days
             and did not do "App Open" in last 30 days
             and user.plan in ("pro", "team")'

    In a file, as YAML or JSON:

    \b
    version: 1
    all:
      - did: Purchase
        count: {at_least: 3}
        where: {property: amount, op: ">=", value: 20}
      - did_not: Purchase
        window: 90 days
      - {profile: plan, op: "=", value: pro}
    """
    definition = definition_from(where, file, template, settings, mixpanel, cohort_ids)
    a_list = ListOptions(static, freeze, sql, received, warehouse, key, column, properties, delimiter, replace)
    a_list.check(defined=definition is not None)
    if a_list.kinds:
        add_list(open_hub(), name, a_list, description, message, as_json=as_json)
        return
    if definition is None:
        raise UsageError(
            "What the cohort holds is not said.",
            hint="Give --where TEXT, --file FILE, --template NAME or --mixpanel FILE; "
            "for a list of members --static FILE, --freeze COHORT, --sql FILE or --received.",
        )
    cohort = open_hub().cohorts.add(name, definition, description, message=message)
    for warning in cohort.warnings:
        say(f"Warning: {warning}")
    if as_json:
        print_json({**cohort.figures(), "warnings": list(cohort.warnings)})
        return
    typer.echo(f"Added the cohort {cohort.name}. Next: hub cohort count {quoted(cohort.name)}")


@app.command("list")
def list_cohorts(as_json: Json = False) -> None:
    """Every cohort, with its size when it was last counted."""
    found = open_hub().cohorts.list()
    if as_json:
        print_json([each.figures() for each in found])
        return
    print_table(
        ("name", "kind", "people", "counted", "description"),
        [(each.name, each.kind, _size(each), ago(each.evaluated_at), each.description) for each in found],
        empty="There is no cohort yet. Make one with `hub cohort add NAME --where TEXT`.",
    )


@app.command()
def show(
    name: Name,
    versions: Annotated[bool, typer.Option("--versions", help="List its versions instead: who changed it.")] = False,
    waterfall: ShowWaterfall = False,
    sql: Annotated[bool, typer.Option("--sql", help="The query that finds its people, instead.")] = False,
    as_json: Json = False,
) -> None:
    """One cohort: its definition, and its size when it was last counted."""
    hub = open_hub()
    if waterfall or sql:
        show_workings(hub, name, waterfall=waterfall, as_json=as_json)
        return
    if versions:
        show_versions(hub, name, as_json=as_json)
        return
    cohort = hub.cohorts.get(name)
    if as_json:
        print_json(cohort.figures())
        return
    zone = hub.workspace.project.timezone
    counted = f", counted {shown(cohort.evaluated_at, zone)}" if cohort.evaluated_at else ""
    say(f"{cohort.name}: {_size(cohort)} people{counted}. {cohort.description}".rstrip())
    if cohort.text:  # as a comment: what is printed is a file for --file
        typer.echo(f"# {cohort.text}")
    if cohort.source:
        say(f"Its kind is {cohort.kind}, its members come from: {cohort.members_from}.")
    typer.echo(write_yaml(dict(cohort.document)), nl=False)


app.command()(count)
app.command()(members)
app.command()(export)
app.command()(refresh)
app.command()(history)
app.command()(explain)
app.command()(overlap)
app.command()(preview)


@app.command()
def receive(
    name: Name,
    file: Annotated[str, typer.Argument(help="Members: a key a line, or CSV with a header; - for stdin.")],
    add_them: Annotated[bool, typer.Option("--add", help="Add them to those who are there.")] = False,
    remove_them: Annotated[bool, typer.Option("--remove", help="Take them out.")] = False,
    column: KeyColumn = None,
    properties: Properties = None,
    delimiter: Delimiter = None,
    as_json: Json = False,
) -> None:
    """Put the members of a file in the place of those of a received cohort, or add or remove them. Harmless twice."""
    from hub.cohorts.lists.changes import Mode

    if add_them and remove_them:
        raise UsageError("--add and --remove exclude each other.", hint="Without either, the file replaces the list.")
    mode = Mode.ADD if add_them else Mode.REMOVE if remove_them else Mode.REPLACE
    columns = layout(column, properties, delimiter)
    with interruptible() as stop:
        done = open_hub().lists.receive_file(name, file, mode, layout=columns, stop=stop)
    tell(done, as_json=as_json)


@app.command()
def templates(
    name: Annotated[str, typer.Argument(help="One of them.", show_default=False)] = "", as_json: Json = False
) -> None:
    """Cohorts to begin with, for `hub cohort add NAME --template TEMPLATE --set KEY=VALUE`."""
    from hub.cohorts import templates as known

    found = [known.template(name)] if name else known.templates()
    if as_json:
        print_json([each.figures() for each in found])
        return
    for each in found:
        typer.echo(f"{each.name}: {each.description}\n")
        typer.echo(f"{indent(each.pattern, '    ')}\n")
        for parameter in each.parameters:
            values = parameter.default if parameter.kind == "events" else [parameter.default]
            typer.echo(f"    {parameter.name} = {', '.join(str(value) for value in values)}  ({parameter.about})")
        typer.echo()


@app.command()
def schema() -> None:
    """What a definition can be, as JSON Schema: for editors, and for programs that write definitions."""
    from hub.cohorts.schema import definition_schema

    typer.echo(json.dumps(definition_schema(), indent=2))


app.command()(edit)
app.command()(diff)
app.command()(revert)


@app.command()
def remove(name: Name, message: Message = "", yes: Yes = False, as_json: Json = False) -> None:
    """Remove a cohort, with its syncs that are over; the ledger keeps their runs. While a sync is active, it stays."""
    hub = open_hub()
    found, used = hub.cohorts.get(name), hub.cohorts.uses(name)
    if not used.busy and not yes:
        say(f"{name} has {_size(found)} people.")
        say_what_goes(used)
    if not used.busy:
        confirm(f"Remove the cohort {name}?", yes=yes)
    gone = hub.cohorts.remove(name, message=message)
    if as_json:
        print_json({"cohort": name, "removed": True, "syncs": gone})
        return
    typer.echo(f"Removed the cohort {name}.")


def _size(cohort: Cohort) -> str:
    return "?" if cohort.size is None else f"{cohort.size:,}"
