"""The options that say a definition, shared by the commands that take one: in which spelling, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.cohorts.definition import Definition

Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="TEXT",
        help='Its definition as text: did "Purchase" at least 3 times in last 30 days.',
        show_default=False,
    ),
]
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="Its definition: YAML or JSON.", show_default=False)
]
TemplateName = Annotated[
    str | None,
    typer.Option("--template", metavar="NAME", help="A cohort to begin with: see `hub cohort templates`."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the template; again for one more event."),
]
Mixpanel = Annotated[
    Path | None,
    typer.Option("--mixpanel", metavar="FILE", help="Its definition in Mixpanel's wire format (selector, behaviors)."),
]
CohortIds = Annotated[
    list[str] | None,
    typer.Option("--cohort-id", metavar="ID=NAME", help="Which cohort here one of Mixpanel's is that the file names."),
]

_HINT = "`hub cohort add --help` shows each of them."


def definition_from(
    where: str | None,
    file: Path | None,
    template: str | None,
    settings: Sequence[str] | None,
    mixpanel: Path | None,
    cohort_ids: Sequence[str] | None,
) -> Definition | Path | None:
    """The definition that the options say, or the file that it is in; None when they say none.

    Raises UsageError for two of them at once, and for --set and --cohort-id without theirs; DefinitionError, NotFound
    and InputError as of what reads it.
    """
    given = {"--where": where, "--file": file, "--template": template, "--mixpanel": mixpanel}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} cannot go together: a cohort has one definition.", hint=_HINT)
    for option, values, its in (("--set", settings, "--template"), ("--cohort-id", cohort_ids, "--mixpanel")):
        if values and given[its] is None:
            raise UsageError(f"{option} goes with {its}.", hint=_HINT)
    if where is not None:
        from hub.cohorts.text.reading import definition_of_text

        return definition_of_text(where, source="--where")
    if template is not None:
        from hub.cohorts.templates import template as template_called

        return template_called(template).definition(_pairs("--set", settings))
    if mixpanel is not None:
        from hub.cohorts.mixpanel.reading import read_mixpanel_file

        return read_mixpanel_file(mixpanel, _names_by_id(cohort_ids))
    return file


def _pairs(option: str, values: Sequence[str] | None) -> dict[str, list[str]]:
    """The values by their keys, in their order."""
    found: dict[str, list[str]] = {}
    for text in values or ():
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"{option} {text}: must be KEY=VALUE.", hint=_HINT)
        found.setdefault(key.strip(), []).append(value)
    return found


def _names_by_id(values: Sequence[str] | None) -> dict[int, str]:
    found: dict[int, str] = {}
    for key, names in _pairs("--cohort-id", values).items():
        if not (key.isascii() and key.isdecimal()) or len(key) > 18:
            raise UsageError(f"--cohort-id {key}={names[-1]}: {key!r} is no id of Mixpanel's.", hint=_HINT)
        found[int(key)] = names[-1]
    return found
