"""`hub sync verify` and `hub sync undo`: what the partner really has, and runs taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import Json, Yes, confirm, open_hub, print_json, quit_with, quoted, say, write_lines
from hub.clock import ago, counted
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.sync.undo import Undo
    from hub.sync.verify import Told
    from hub.sync.verify_findings import Found, Kind
    from hub.sync.verify_reports import Verification

DIFFERS = 5
"""The exit code of a verification that found differences about which nothing was decided."""

Name = Annotated[str, typer.Argument(help="The sync's name.")]
RunId = Annotated[int, typer.Argument(metavar="RUN", help="The number of the run.")]


class Ours(StrEnum):
    """What can be repaired."""

    ALL = "all"
    MISSING = "missing"
    CHANGED = "changed"
    UNCERTAIN = "uncertain"


class Extras(StrEnum):
    """What can be adopted or ignored."""

    ALL = "all"
    EXTRA = "extra"
    EXTRA_IN_COHORT = "extra-in-cohort"


class Listed(StrEnum):
    """What can be listed."""

    MISSING = "missing"
    CHANGED = "changed"
    UNCERTAIN = "uncertain"
    EXTRA = "extra"
    EXTRA_IN_COHORT = "extra-in-cohort"
    KNOWN = "known"
    RECENT = "recent"


def verify(
    name: Name,
    repair: Annotated[
        list[Ours] | None, typer.Option(help="Let the next run mend these: missing, changed, uncertain, or all.")
    ] = None,
    adopt: Annotated[
        list[Extras] | None, typer.Option(help="Make these the hub's own: extra, extra-in-cohort, or all.")
    ] = None,
    ignore: Annotated[
        list[Extras] | None, typer.Option(help="Know of these from now on, and leave them: as --adopt.")
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Find known extras, too.")] = False,
    report: Annotated[
        int | None, typer.Option(metavar="N", help="Take what verification N found; the partner is not asked again.")
    ] = None,
    listed: Annotated[Listed | None, typer.Option("--list", help="Print everybody of this kind, a line each.")] = None,
    as_json: Json = False,
) -> None:
    """Ask the partner who is in a sync's audience, and compare. Changes nothing unless told to; exit 5: it differs.

    Whoever is missing or changed is sent again by the sync's next run, through plan and guards. Nobody is forgotten
    because a listing did not show him.
    """
    from hub.sync.verify_books import WAYS, Way, decisions_of

    given = {Way.ADOPT: adopt, Way.REPAIR: repair, Way.IGNORE: ignore}
    chosen = {way: _kinds(some or [], WAYS[way]) for way, some in given.items()}
    decisions_of(chosen)
    hub = open_hub()
    found = _found(hub, name, report, everything)
    if any(chosen.values()):
        found = asyncio.run(
            hub.syncs.decide(found.id, adopt=chosen[Way.ADOPT], repair=chosen[Way.REPAIR], ignore=chosen[Way.IGNORE])
        )
    if listed:
        _list(hub, found, listed, as_json)
    elif as_json:
        print_json(found.figures())
    else:
        for line in _lines(found, hub.syncs.get(name).audience):
            typer.echo(line)
    quit_with(DIFFERS if found.differs and not found.settled else 0)


def undo(
    run: RunId,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take a run back: remove whom it added, add whom it removed, set back what it changed. Pauses the sync.

    Only members whom nobody has changed since. It is a run of its own, which guards may hold (exit 3).
    """
    from hub.cli.context import interruptible
    from hub.cli.run_results import ended, shown_progress

    hub = open_hub()
    found = hub.syncs.undoing(run)
    if dry_run:
        if as_json:
            print_json(found.figures())
        else:
            typer.echo("\n".join(_undo_lines(found)))
        return
    if not yes:
        say("\n".join(_undo_lines(found)))
        confirm(f"Take back run {run}?", yes=yes)
    with interruptible() as asked, shown_progress(asked) as progress:
        done = asyncio.run(hub.syncs.undo(run, digest=found.plan.digest, report=progress, stop=asked))
    if found.pauses:
        say(f"The sync {done.sync} is paused: its next run would do it again. `hub sync resume {quoted(done.sync)}`.")
    ended(done, as_json)


def last_verified(found: Verification) -> str:
    """A verification in one line."""
    from hub.sync.verify_findings import DIFFERENCES

    told = [f"{count:,} {kind.value}" for kind in DIFFERENCES if (count := found.found.get(kind.value, 0))]
    said = ", ".join(told) or "nothing differed"
    return f"verified {ago(found.began_at)}: {said}{f'; {found.words}' if found.words else ''}"


def _found(hub: Hub, name: str, report: int | None, everything: bool) -> Verification:
    if report is None:
        from hub.cli.context import interruptible

        with interruptible("Stopping; nothing is changed.") as asked, _shown() as told:
            return asyncio.run(hub.syncs.verify(name, everything=everything, told=told, stop=asked))
    found = hub.syncs.verification(report)
    if found.sync != name:
        raise UsageError(f"Verification {report} is of the sync {found.sync}, not of {name}.")
    return found


def _kinds(given: Sequence[StrEnum], possible: Sequence[Kind]) -> list[Kind]:
    from hub.sync.verify_findings import Kind

    return [*possible] if "all" in given else [Kind(each.value) for each in given]


@contextmanager
def _shown() -> Iterator[Told]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from hub.cli.context import console

    columns = (SpinnerColumn(), TextColumn("asking who is there"), BarColumn(), MofNCompleteColumn())
    shown_on = console()
    with Progress(*columns, console=shown_on, transient=True, disable=not shown_on.is_terminal) as bars:
        task = bars.add_task("", total=None)
        yield lambda listed, held: bars.update(task, completed=listed, total=max(held, listed))


def _list(hub: Hub, found: Verification, kind: Listed, as_json: bool) -> None:
    import orjson

    from hub.sync.verify_findings import Kind

    def lines() -> Iterator[bytes]:
        for each in hub.syncs.findings(found.id, Kind(kind.value)):
            told = [each.key, each.person, ",".join(each.differs)]
            yield (orjson.dumps(each.figures()) if as_json else "\t".join(told).rstrip("\t").encode()) + b"\n"

    write_lines(lines())


_ABOUT = {
    "missing": "the hub put them there, and they are not",
    "changed": "there, with other values than the hub wrote",
    "uncertain": "sent without an answer",
    "extra-in-cohort": "there without the hub's doing, and in the cohort",
    "extra": "there without the hub's doing, and not in the cohort",
    "known": "extras that are to be left so",
    "recent": "written too shortly before to tell",
}


def _lines(found: Verification, audience: str) -> list[str]:
    from hub.sync.verify_findings import DIFFERENCES

    lines = [
        f"{found.sync}: {counted(found.listed, 'member is', 'members are')} in {audience!r}; the hub's books have "
        f"{found.held:,} (verification {found.id})"
    ]
    for kind, about in _ABOUT.items():
        if count := found.found.get(kind, 0):
            lines += [f"  {kind} {count:,}: {about}", *(f"    {_member(each)}" for each in found.samples.get(kind, ()))]
            more = count - len(found.samples.get(kind, ()))
            lines += [f"    and {more:,} more (--report {found.id} --list {kind})"] if more > 0 else []
    if not found.values_read:
        lines.append("  Mapped values were not compared: there are none, or the partner does not tell them.")
    if found.words:
        lines.append(f"  {found.words[0].upper()}{found.words[1:]} (run {found.run})")
    open_kinds = [kind.value for kind in DIFFERENCES if found.found.get(kind.value) and kind.value not in found.decided]
    if not found.differs:
        lines.append("  Nothing differs.")
    elif open_kinds and not found.words:
        ways = [f"--repair {kind}" for kind in open_kinds if kind in tuple(Ours)]
        ways += [f"--adopt {kind} (or --ignore {kind})" for kind in open_kinds if kind in tuple(Extras)]
        lines.append(f"  Nothing was changed. With --report {found.id}: {', '.join(ways)}.")
    return lines


def _member(each: Found) -> str:
    who = each.key if each.person == each.key else f"{each.key} ({each.person})"
    differs = f": {', '.join(each.differs)}" if each.differs else ""
    return f"{who}{differs}"


def _undo_lines(found: Undo) -> list[str]:
    plan, samples = found.plan, found.samples
    lines = [f"Taking back run {found.run} of {found.sync}, in {found.audience!r}, would"]
    for word, count, kind in (
        ("add again", plan.to_add, "adds"),
        ("set back", plan.to_update, "updates"),
        ("remove", plan.to_remove, "removes"),
    ):
        named = ", ".join(each.key or each.person for each in samples.get(kind, ()))
        lines.append(f"  {word} {count:,}" + (f": {named}" if named else ""))
    lines += [f"  leave {count:,} as they are: {reason}" for reason, count in plan.skipped.items()]
    lines += [f"  Guard: {concern.said}" for concern in found.concerns]
    if found.holds:
        waits = "the removals" if found.holds == "removals" else "everything"
        lines.append(f"  It would hold {waits} until somebody approves.")
    if found.pauses:
        lines.append(f"  It pauses {found.sync}, whose next run would do it all again.")
    return lines
