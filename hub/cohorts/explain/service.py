"""Questions about cohorts: why somebody is in one, what two share, what each clause does, what a new one would hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from hub.cohorts.asked import asked_for, asked_with
from hub.cohorts.definition import Definition
from hub.cohorts.editing import read_wanted, unknown_in
from hub.cohorts.explain.figures import Overlap, Waterfall, overlap, waterfall
from hub.cohorts.explain.report import Explanation
from hub.cohorts.text.printing import clause_text

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.connectors.plugins import Plugins
    from hub.workspace import Workspace

SAMPLE = 10
"""How many members a preview shows."""


@dataclass(frozen=True)
class Preview:
    """What a definition that nobody has kept holds: exact, with the seconds that it took, and some of the members."""

    text: str
    count: int
    evaluated_at: datetime
    seconds: float
    sample: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]
    waterfall: Waterfall | None = None

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort preview --json`."""
        return {
            "text": self.text,
            "count": self.count,
            "evaluated_at": self.evaluated_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "sample": [*self.sample],
            "warnings": [*self.warnings],
            **({"waterfall": self.waterfall.figures()} if self.waterfall else {}),
        }


class Questions:
    """Questions about the cohorts of one project. Methods block; nothing is changed by them."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, plugins: Callable[[], Plugins]) -> None:
        """`plugins` loads them when it is first asked: it takes longer than an answer."""
        self._workspace = workspace
        self._project = workspace.project
        self._cohorts = cohorts
        self._plugins = plugins

    def explain(
        self, name: str, person: str, *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Explanation:
        """Why somebody is, or is not, in a cohort: now, or as of another instant (aware). `person` is any of their ids.

        `known_at` (aware) as of `Cohorts.count`. Raises NotFound for a cohort, and for an id of which nothing is known;
        UsageError as of `Cohorts.question`.
        """
        from hub.cohorts.explain.explaining import explain
        from hub.cohorts.explain.left_out import left_out
        from hub.people.person import nobody

        cohort, question = asked_for(self._workspace, [name], as_of=as_of, known_at=known_at)[0]
        ids = {each: self._cohorts.get(each).id for each in question.lists}
        past = as_of is None and known_at is None
        with self._workspace.reading() as reader:
            with self._workspace.store.reading() as connection:
                found = explain(reader, self._project, question, person, connection=connection, list_ids=ids, past=past)
            if found is None:
                raise nobody(self._workspace, person)
            skipped = left_out(self._workspace, reader, self._plugins, cohort, question, found) if found.member else ()
        return replace(found, cohort=cohort.name, left_out=skipped)

    def overlap(self, first: str, second: str, *, as_of: datetime | None = None) -> Overlap:
        """How many people are in one of two cohorts, in both, and in neither. Raises as of `Cohorts.count`."""
        one, other = asked_for(self._workspace, [first, second], as_of=as_of)
        with self._workspace.reading() as reader:
            return overlap(reader, self._project, one, other)

    def waterfall(self, name: str, *, as_of: datetime | None = None) -> Waterfall:
        """How many people each clause of a cohort lets through. Raises as of `Cohorts.count`."""
        question = self._cohorts.question(name, as_of=as_of)
        with self._workspace.reading() as reader:
            return waterfall(reader, self._project, question)

    def sql(self, name: str, *, as_of: datetime | None = None) -> str:
        """The query by which the engine finds a cohort's people in the files that the lake has now. Raises NotFound."""
        from hub.cohorts.members import evaluate

        question = self._cohorts.question(name, as_of=as_of)
        with self._workspace.reading() as reader:
            return reader.sql(evaluate(reader, self._project, question))

    def preview(
        self,
        wanted: Definition | str | Path,
        *,
        with_waterfall: bool = False,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Preview:
        """What a definition holds, without keeping it: one at hand, its text (YAML or JSON), or the file that it is in.

        Raises as of `Cohorts.add`.
        """
        from hub.cohorts.members import members

        definition = read_wanted(wanted)
        question = asked_with(self._workspace, definition, as_of=as_of, known_at=known_at)
        with self._workspace.reading() as reader:
            started = monotonic()
            found = reader.keep(members(reader, self._project, question))
            count = int(reader.value(found.count()))
            seconds = monotonic() - started
            first = found.select("person", "distinct_id", "user_id", "email").order_by("person").limit(SAMPLE)
            sample = [row for batch in reader.batches(first) for row in batch.to_pylist()]
            steps = waterfall(reader, self._project, question) if with_waterfall else None
        warnings = unknown_in(self._workspace, definition)
        return Preview(clause_text(definition), count, question.now, seconds, tuple(sample), warnings, steps)
