"""`hub cohort explain`, `overlap`, `preview`, and the drawings of `show`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.cohort_members import AsOf, KnownAt, Name, at, times
from hub.cli.context import Json, open_hub, print_json, say
from hub.cli.definitions import CohortIds, File, Mixpanel, Set, TemplateName, Where, definition_from
from hub.cli.values import columns, harmless, padded, shortened, shown_value
from hub.clock import counted
from hub.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from hub.app import Hub
    from hub.cohorts.explain.evidence import Evidence, Turn
    from hub.cohorts.explain.figures import Overlap, Waterfall
    from hub.cohorts.explain.report import Explained, Explanation

ShowWaterfall = Annotated[bool, typer.Option("--waterfall", help="How many people each clause lets through.")]

_BAR = 30
_MARKS = {True: ("✓", typer.colors.GREEN), False: ("✗", typer.colors.RED)}
_DEEPEST = 12
"""So many levels are indented; what is deeper stands no further to the right."""


def explain(
    name: Name,
    person: Annotated[str, typer.Option("--person", metavar="ID", help="Any id of the person, letter for letter.")],
    as_of: AsOf = "",
    known_at: KnownAt = "",
    as_json: Json = False,
) -> None:
    """Why somebody is, or is not, in a cohort: clause by clause, since when, and when it will change by itself."""
    hub = open_hub()
    found = hub.questions.explain(name, person, **times(hub, as_of, known_at))
    if as_json:
        print_json(found.figures())
        return
    for line in _told(found):
        typer.echo(line)


def overlap(
    first: Annotated[str, typer.Argument(help="A cohort's name.")],
    second: Annotated[str, typer.Argument(help="Another's.")],
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """How many people are in one of two cohorts, in both, and in neither."""
    hub = open_hub()
    found = hub.questions.overlap(first, second, as_of=at(hub, as_of))
    if as_json:
        print_json(found.figures())
        return
    for line in _overlap_lines(found):
        typer.echo(line)


def preview(
    where: Where = None,
    file: File = None,
    template: TemplateName = None,
    settings: Set = None,
    mixpanel: Mixpanel = None,
    cohort_ids: CohortIds = None,
    with_waterfall: ShowWaterfall = False,
    as_of: AsOf = "",
    known_at: KnownAt = "",
    as_json: Json = False,
) -> None:
    """How many people a definition holds, and some of them, without keeping it."""
    definition = definition_from(where, file, template, settings, mixpanel, cohort_ids)
    if definition is None:
        raise UsageError(
            "What to look at is not said.", hint="Give --where TEXT, --file FILE, --template NAME or --mixpanel FILE."
        )
    hub = open_hub()
    found = hub.questions.preview(
        definition, with_waterfall=with_waterfall, as_of=at(hub, as_of), known_at=at(hub, known_at)
    )
    for warning in found.warnings:
        say(f"Warning: {warning}")
    if as_json:
        print_json(found.figures())
        return
    typer.echo(f"{counted(found.count, 'person', 'people')} ({found.seconds:.2f} s). Nothing is saved.")
    for member in found.sample:
        beside = f"  {harmless(member['email'])}" if member["email"] else ""
        typer.echo(shortened(f"  {harmless(member['person'])}{beside}", columns()))
    if found.count > len(found.sample):
        typer.echo(f"  … and {found.count - len(found.sample):,} more")
    if found.waterfall:
        typer.echo()
        show_waterfall(found.waterfall)


def show_workings(hub: Hub, name: str, *, waterfall: bool, as_json: bool) -> None:
    """Print what each clause of a cohort lets through, or the query that finds its people."""
    if waterfall:
        found = hub.questions.waterfall(name)
        if as_json:
            print_json({"cohort": name, **found.figures()})
        else:
            show_waterfall(found)
        return
    query = hub.questions.sql(name)
    if as_json:
        print_json({"cohort": name, "sql": query})
    else:
        typer.echo(query)


def show_waterfall(found: Waterfall) -> None:
    """Draw how many people each clause lets through, alone and together with those before it."""
    numbers = len(f"{found.everybody:,}")
    bar = max(columns() - numbers - len("    together  "), 8)

    def drawn(label: str, count: int) -> str:
        return f"  {label:8}  {count:>{numbers},}  {_bar(count, found.everybody, bar)}".rstrip()

    typer.echo(f"everybody\n{drawn('', found.everybody)}")
    for place, step in enumerate(found.steps):
        joined = f"{found.joined} " if place else ""
        for line in textwrap.wrap(f"{joined}{harmless(step.text)}", columns(), break_on_hyphens=False):
            typer.echo(line)
        typer.echo(drawn("alone", step.alone))
        if place:
            typer.echo(drawn("together", step.together))


def _overlap_lines(found: Overlap) -> Iterator[str]:
    first, second = harmless(found.first), harmless(found.second)
    rows = [
        (f"only in {first}", found.only_first),
        ("in both", found.both),
        (f"only in {second}", found.only_second),
        ("in neither", found.neither),
    ]
    total = sum(count for _, count in rows)
    labels = min(max(len(label) for label, _ in rows), columns() // 3)
    numbers = max(len(f"{count:,}") for _, count in rows)
    bar = max(columns() - labels - numbers - 12, 8)
    for label, count in rows:
        share = 100 * count / total if total else 0
        yield f"{padded(label, labels)}  {count:>{numbers},}  {share:5.1f} %  {_bar(count, total, bar)}".rstrip()


def _told(found: Explanation) -> Iterator[str]:
    from hub.cohorts.explain.evidence import NEVER

    zone, who = found.zone, harmless(found.asked)
    of_whom = "" if found.asked == found.person else f" ({harmless(found.person)})"
    verb = "is" if found.member else "is not"
    never = ", and never was" if not found.member and found.is_person and found.since == NEVER else ""
    yield from _folded(f"{who}{of_whom} {verb} in {harmless(found.cohort)}{never or _since(found.since, zone)}.")
    if not found.is_person:
        yield from _folded("They have neither an event nor a profile, so that no definition holds for them.")
    yield from _folded(_until(found.until, zone, leaves="They leave" if found.member else "They enter"))
    if len(found.deciding) == 1 and found.clause.parts:
        lead = "Without this clause they would be out" if found.member else "Only this clause keeps them out"
        yield from _folded(f"{lead}: {harmless(found.deciding[0].text)}")
    for each in found.left_out:
        sync = f"The sync {each.sync} leaves" if each.sync else "Syncs leave"
        yield from _folded(f"{sync} them out all the same ({each.reason}): {each.detail}.")
    yield ""
    yield from _clause(found.clause, zone, 0)
    yield ""
    yield f"Times are those of {zone.key}, as of {_said(found.now, zone)}."


def _clause(clause: Explained, zone: ZoneInfo, level: int) -> Iterator[str]:
    mark, color = _MARKS[clause.holds]
    indent = "  " * min(level, _DEEPEST)
    words = {"all": "all of these", "any": "any of these", "not": "the opposite of this"}
    text = words.get(clause.kind, harmless(clause.text))
    first, *rest = textwrap.wrap(text, max(columns() - len(indent) - 2, 20), break_on_hyphens=False) or [""]
    yield f"{indent}{typer.style(mark, fg=color)} {first}"
    for line in rest:
        yield f"{indent}  {line}"
    inner = f"{indent}    "
    if clause.evidence:
        yield from _evidence(clause.evidence, clause.kind, zone, inner)
    if clause.kind not in ("all", "any", "not"):
        yield from _turns(clause, zone, inner)
    if clause.told_above:
        yield f"{inner}(its clauses stand above)"
    for part in clause.parts:
        yield from _clause(part, zone, level + 1)


def _turns(clause: Explained, zone: ZoneInfo, indent: str) -> Iterator[str]:
    word = "true" if clause.holds else "false"
    since, until = _since(clause.since, zone, reason=False), ""
    if not clause.until.known and clause.until.at:
        until = f", at least until {_said(clause.until.at, zone)}"
    elif clause.until.at:
        until = f", until {_said(clause.until.at, zone)}: {_because(clause.until, zone, past=False)}"
    if since or until:
        yield from _folded(f"{word}{since}{until}", indent)


def _evidence(found: Evidence, kind: str, zone: ZoneInfo, indent: str) -> Iterator[str]:
    yield from _folded(_measured(found, kind, zone), indent)
    for event in found.events:
        values = " ".join(
            f"{harmless(name)}={shown_value(value.plain if value.instant is None else value.text or '')}"
            for name, value in sorted(event.values.items())
            if name not in ("time", "$event_name")
        )
        line = f"{indent}  {_said(event.time, zone)}  {harmless(event.event)}  {values}".rstrip()
        yield shortened(line, columns())
    left = found.total - len(found.events)
    if found.events and left > 0 and kind != "sequence":
        yield f"{indent}  … and {left:,} before" if kind != "change" else f"{indent}  … and {left:,} more"


def _measured(found: Evidence, kind: str, zone: ZoneInfo) -> str:
    value = found.value
    if kind == "sequence":
        return counted(value, "time") if value else f"not once: {found.note}"
    if kind == "change":
        return f"{counted(value, 'time')} in the window, {counted(found.before, 'time')} before it"
    if found.measure in ("times", "days"):
        return counted(value, found.measure.removesuffix("s"))
    if value is None:
        return {"profile": "not set", "list": "not on it"}.get(
            kind, "never" if found.measure == "first" else "no value"
        )
    said = _plain(value, zone)
    if kind == "list":
        return f"on it as {said}"
    return f"the first was on {said}" if found.measure == "first" else f"{harmless(found.measure)} is {said}"


def _plain(value: object, zone: ZoneInfo) -> str:
    from datetime import datetime

    if isinstance(value, list):
        return ", ".join(_plain(each, zone) for each in value)
    if isinstance(value, datetime):
        return _said(value, zone)
    return f"{value:,.10g}" if isinstance(value, float) else shown_value(value)


def _since(turn: Turn, zone: ZoneInfo, *, reason: bool = True) -> str:
    if turn.at is None:
        return ""
    if not turn.known:
        return f", at least since {_said(turn.at, zone)}"
    why = _because(turn, zone, past=True) if reason else ""
    return f" since {_said(turn.at, zone)}{f', {why}' if why else ''}"


def _until(turn: Turn, zone: ZoneInfo, *, leaves: str) -> str:
    if not turn.known and turn.at:
        return f"Until {_said(turn.at, zone)} nothing changes by itself; further it was not looked."
    if turn.at is None:
        return "That does not change by itself."
    return f"{leaves} on {_said(turn.at, zone)}, {_because(turn, zone, past=False)}, if nothing else happens."


def _because(turn: Turn, zone: ZoneInfo, *, past: bool) -> str:
    from hub.cohorts.explain.words import because

    return harmless(because(turn, zone, past=past))


def _said(instant: datetime, zone: ZoneInfo) -> str:
    from hub.cohorts.explain.words import said

    return said(instant, zone)


def _folded(text: str, indent: str = "") -> Iterator[str]:
    yield from textwrap.wrap(text, columns(), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _bar(count: int, total: int, width: int) -> str:
    """A bar in eighths of a cell; whoever is there at all can be seen."""
    eighths = round(8 * width * count / total) if total else 0
    eighths = max(eighths, 1) if count else 0
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
