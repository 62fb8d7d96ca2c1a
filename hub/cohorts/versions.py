"""What became of a cohort's definition: every change is a version, with who made it, when, and why."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from hub.clock import now
from hub.cohorts.definition import HEADER
from hub.cohorts.documents import write_yaml
from hub.cohorts.lists.sources import DYNAMIC
from hub.cohorts.reading import stored_definition
from hub.cohorts.text.lines import clause_lines
from hub.cohorts.text.printing import clause_text
from hub.errors import NotFound
from hub.store.tables import cohort_versions

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

MADE, EDITED, REVERTED, REMOVED = "made", "edited", "reverted", "removed"


@dataclass(frozen=True)
class Signature:
    """Who makes a change, and why (may be empty)."""

    actor: str
    reason: str = ""


@dataclass(frozen=True)
class Version:
    """A cohort as it was from `at` on, and who changed it to that.

    `change` is made, edited, reverted (to the version `restored`) or removed. `actor` is empty when it was changed by a
    hub that did not write it down. `document` is its definition, or where its members come from, as it is kept.
    """

    cohort: str
    kind: str
    number: int
    change: str
    restored: int | None
    actor: str
    reason: str
    at: datetime
    description: str
    document: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The definition as text; empty for a list. Raises DefinitionError when a newer hub wrote it."""
        return clause_text(stored_definition(self.document, name=self.cohort)) if self.kind == DYNAMIC else ""

    def lines(self) -> list[str]:
        """All that is said of the cohort, as lines for people: those of two versions are compared."""
        return lines_of(self.kind, {**self.document, "description": self.description}, self.cohort)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of a version in `hub cohort show --versions --json` and `diff --json`."""
        return {
            "version": self.number,
            "change": self.change,
            "restored": self.restored,
            "actor": self.actor,
            "at": self.at.isoformat(),
            "message": self.reason,
            "description": self.description,
            "text": self.text,
            "definition": dict(self.document),
        }


@dataclass(frozen=True)
class Difference:
    """What differs between two versions of a cohort."""

    before: Version
    after: Version

    def lines(self) -> list[str]:
        """As people know it: what went after `-`, what came after `+`, what stays after a blank. Empty: nothing."""
        return compared(self.before.lines(), self.after.lines())

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort diff --json`."""
        return {
            "cohort": self.after.cohort,
            "from": self.before.figures(),
            "to": self.after.figures(),
            "lines": self.lines(),
        }


def lines_of(kind: str, document: Mapping[str, Any], name: str) -> list[str]:
    """A cohort's document as lines for people: its description, then the text of its definition, a clause a line, or
    where its members come from. Raises DefinitionError when a newer hub wrote it."""
    lines = [f"# {line}" for line in str(document.get("description", "")).splitlines()]
    if kind == DYNAMIC:
        return [*lines, *clause_lines(stored_definition(document, name=name))]
    own = {key: value for key, value in document.items() if key not in HEADER}
    return [*lines, *write_yaml(own).splitlines()]


def compared(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The lines of both: what went after `- `, what came after `+ `, what stays after two blanks. Empty if equal."""
    if [*before] == [*after]:
        return []
    lines: list[str] = []
    for what, begin, end, other_begin, other_end in difflib.SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if what == "equal":
            lines += [f"  {line}" for line in before[begin:end]]
        else:
            lines += [f"- {line}" for line in before[begin:end]]
            lines += [f"+ {line}" for line in after[other_begin:other_end]]
    return lines


def note(
    connection: Connection,
    cohort_id: int,
    number: int,
    change: str,
    described: tuple[str, Mapping[str, Any]],
    by: Signature,
    *,
    restored: int | None = None,
) -> None:
    """Write down a change, in the transaction that makes it. `described` are the description and the definition."""
    description, document = described
    values = {"description": description, "definition": dict(document), "actor": by.actor, "reason": by.reason}
    connection.execute(
        cohort_versions.insert().values(
            cohort_id=cohort_id, version=number, change=change, restored=restored, at=now(), **values
        )
    )


def versions_of(connection: Connection, cohort: Row[Any]) -> list[Version]:
    """The versions of a cohort (a row of the table), the first one first."""
    query = select(cohort_versions).where(cohort_versions.c.cohort_id == cohort.id).order_by(cohort_versions.c.version)
    return [
        Version(
            cohort=cohort.name,
            kind=cohort.kind,
            number=row.version,
            change=row.change,
            restored=row.restored,
            actor=row.actor,
            reason=row.reason,
            at=row.at,
            description=row.description,
            document=row.definition,
        )
        for row in connection.execute(query)
    ]


def version_called(versions: Sequence[Version], number: int) -> Version:
    """The version of that number. Raises NotFound."""
    for version in versions:
        if version.number == number:
            return version
    last = versions[-1]
    raise NotFound(
        f"The cohort {last.cohort!r} has no version {number}.",
        hint=f"It has {versions[0].number} to {last.number}: `hub cohort show NAME --versions` lists them.",
    )


def difference(versions: Sequence[Version], since: int | None, until: int | None) -> Difference:
    """What differs between two versions: by default the newest one and the one before the other. Raises NotFound."""
    after = version_called(versions, until) if until is not None else versions[-1]
    if since is None:
        since = max(after.number - 1, versions[0].number)
    return Difference(version_called(versions, since), after)
