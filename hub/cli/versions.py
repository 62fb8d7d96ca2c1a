"""`hub cohort edit`, `diff` and `revert`, and the list of versions: what became of a cohort's definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import Json, interactive, open_hub, print_json, print_table, quoted, say
from hub.cli.definitions import CohortIds, File, Mixpanel, Set, TemplateName, Where, definition_from
from hub.cli.values import harmless
from hub.clock import counted, shown
from hub.errors import DefinitionError, HubError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.app import Hub
    from hub.cohorts.cohort import Cohort
    from hub.cohorts.editing import Edited, Wanted
    from hub.cohorts.versions import Version

Name = Annotated[str, typer.Argument(help="The cohort's name.")]
Message = Annotated[str, typer.Option("--message", "-m", help="Why, for whoever reads the history.")]
Expected = Annotated[
    int | None,
    typer.Option("--version", metavar="N", help="Only if the cohort still has this version.", show_default=False),
]
_COLOURS = {"-": typer.colors.RED, "+": typer.colors.GREEN}


def edit(
    name: Name,
    where: Where = None,
    file: File = None,
    template: TemplateName = None,
    settings: Set = None,
    mixpanel: Mixpanel = None,
    cohort_ids: CohortIds = None,
    description: Annotated[str | None, typer.Option(help="Another sentence for people; '' for none.")] = None,
    message: Message = "",
    version: Expected = None,
    as_json: Json = False,
) -> None:
    """Give a cohort another definition, another description, or both. Without either, $EDITOR opens on a terminal.

    Every change is a version: `hub cohort diff NAME` tells what changed, `hub cohort revert NAME --to N` goes back. The
    cohort's syncs follow with their next runs.
    """
    wanted: Wanted | None = definition_from(where, file, template, settings, mixpanel, cohort_ids)
    hub = open_hub()
    if wanted is not None or description is not None:
        _tell(hub.cohorts.edit(name, wanted, description, message=message, version=version), as_json=as_json)
    elif interactive():
        _tell(_edited_by_hand(hub, name, message, version), as_json=as_json)
    else:
        raise UsageError(
            "What is to change is not said.",
            hint="Give --where TEXT, --file FILE or --description TEXT; on a terminal, an editor opens.",
        )


def diff(
    name: Name,
    since: Annotated[
        int | None, typer.Option("--from", metavar="N", help="The older version; the one before, if left out.")
    ] = None,
    until: Annotated[
        int | None, typer.Option("--to", metavar="N", help="The newer version; the newest, if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the last change of a cohort changed, or all changes between two versions. Removed cohorts have theirs, too.

    `hub cohort show NAME --versions` lists the versions.
    """
    hub = open_hub()
    found = hub.cohorts.diff(name, since, until)
    if as_json:
        print_json(found.figures())
        return
    zone = hub.workspace.project.timezone
    say(f"From version {found.before.number} to {_sentence(found.after, zone)}")
    lines = found.lines()
    if not lines:
        say("Its definition and its description are the same.")
    print_difference(lines)


def revert(
    name: Name,
    to: Annotated[int, typer.Option("--to", metavar="N", help="The version to go back to.")],
    message: Message = "",
    version: Expected = None,
    as_json: Json = False,
) -> None:
    """Make a cohort what it was in an earlier version. That is a new version: nothing of the history is lost."""
    _tell(open_hub().cohorts.revert(name, to, message=message, version=version), as_json=as_json)


def show_versions(hub: Hub, name: str, *, as_json: bool) -> None:
    """List the versions of a cohort, the newest first."""
    found = [*reversed(hub.cohorts.versions(name))]
    if as_json:
        print_json([each.figures() for each in found])
        return
    zone = hub.workspace.project.timezone
    print_table(
        ("version", "when", "who", "what", "why"),
        [(str(each.number), shown(each.at, zone), each.actor or "?", _change(each), each.reason) for each in found],
    )


def print_difference(lines: Sequence[str], indent: str = "") -> None:
    """Print compared lines: on a terminal, red what went, green what came."""
    for line in lines:
        typer.secho(f"{indent}{harmless(line)}", fg=_COLOURS.get(line[:1]))


def _edited_by_hand(hub: Hub, name: str, message: str, version: int | None) -> Edited:
    """Open an editor on the cohort, again as often as what was written cannot be read."""
    began = hub.cohorts.get(name)
    text = begun = _text_to_edit(hub, began)
    while True:
        text = _from_editor(text)
        if text.strip() == begun.strip():
            raise UsageError("Nothing was changed.", hint="Save another text to change the cohort.")
        try:
            wanted, description = _read(began, text)
            return hub.cohorts.edit(name, wanted, description, message=message, version=version or began.version)
        except DefinitionError as error:
            say(f"Error: {error.message}")
            typer.confirm("Edit it again?", default=True, abort=True, err=True)


def _text_to_edit(hub: Hub, cohort: Cohort) -> str:
    if cohort.source:
        from hub.cohorts.documents import write_yaml

        return write_yaml(dict(cohort.document))
    return "\n".join([*hub.cohorts.versions(cohort.name)[-1].lines(), ""])


def _read(cohort: Cohort, text: str) -> tuple[Wanted, str | None]:
    """What was written: all of it counts, so that a description that was deleted goes."""
    if cohort.source:
        return text, None
    from hub.cohorts.text.reading import definition_of_text

    definition = definition_of_text(text, source=cohort.name)
    return definition, definition.description


def _from_editor(text: str) -> str:
    import click

    try:
        return click.edit(text, extension=".txt", require_save=False) or ""
    except click.ClickException as error:
        raise HubError(
            f"The editor cannot be used: {error.message}.",
            hint="EDITOR names the one to use; or give --where or --file.",
        ) from error


def _tell(done: Edited, *, as_json: bool) -> None:
    for warning in done.warnings:
        say(f"Warning: {warning}")
    if as_json:
        print_json(done.figures())
        return
    name = done.cohort.name
    if not done.changed:
        typer.echo(f"Nothing was changed: {name} is like that already, in version {done.cohort.version}.")
        return
    typer.echo(f"{name} has version {done.cohort.version} now. What changed: hub cohort diff {quoted(name)}")
    if done.followers.cohorts:
        rest = "rest" if len(done.followers.cohorts) > 1 else "rests"
        say(f"{_listed('cohort', done.followers.cohorts)} {rest} on it.")
    if done.followers.syncs:
        follow = "follow with their next runs" if len(done.followers.syncs) > 1 else "follows with its next run"
        say(f"{_listed('sync', done.followers.syncs)} {follow}.")


def _listed(thing: str, names: Sequence[str]) -> str:
    """`The sync a`, `The 7 syncs a, b, c, d, e and 2 more`."""
    some = ", ".join(harmless(name) for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"The {thing} {some}" if len(names) == 1 else f"The {counted(len(names), thing)} {some}"


def _change(version: Version) -> str:
    return f"{version.change} to {version.restored}" if version.restored else version.change


def _sentence(version: Version, zone: str) -> str:
    who = f" by {version.actor}" if version.actor else ""
    why = f": {version.reason}" if version.reason else ""
    return harmless(f"{version.number}: {_change(version)}{who}, {shown(version.at, zone)}{why}")
