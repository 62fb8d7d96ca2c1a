"""What a daemon or a worker tells while it works: a line for each thing done, a problem once, and figures of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.clock import counted
from hub.errors import HubError
from hub.sync.models import Run
from hub.sync.states import RunState

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.schedule import Agenda, Task


class Telling:
    """Tells `say` a line for each thing done, and what goes wrong once.

    `working` tells how many things are in hand. Threads may share it.
    """

    def __init__(self, hub: Hub, agenda: Agenda, say: Callable[[str], None], *, working: Callable[[], int]) -> None:
        from hub.running.metrics import Metrics

        self._hub, self._agenda, self._say = hub, agenda, say
        self.problems: dict[str, str] = {}
        """What went wrong last, by sync, connection or part of the hub, until it goes well again."""
        self._metrics = Metrics(hub, working=working, problems=lambda: len(self.problems))
        self.metrics_url: str | None = None
        """Where the metrics are served; None: nowhere."""

    def serve(self, where: tuple[str, int] | None) -> None:
        """Serve the metrics on this host and port, if any. Raises HubError when that cannot be."""
        if where:
            self.metrics_url = self._metrics.serve(*where)

    def line(self, text: str, task: Task | None = None) -> None:
        """One line, with the time in the zone of the project that it is about."""
        project = task.project if task else self._hub.workspace.project
        at = datetime.now(UTC).astimezone(ZoneInfo(project.timezone))
        about = f"{self._agenda.title(task)}: " if task else ""
        self._say(f"{at:%Y-%m-%d %H:%M:%S %Z}  {about}{text}")

    def done(self, task: Task, done: Run | int | None) -> None:
        """A sync ran, well or not, or so many new message events were pulled; None: a connection works. Raises
        StoreError."""
        name = self._agenda.title(task)
        if isinstance(done, Run):
            self._metrics.ran(task, done)
            self.line(_of_a_run(done), task)
            if done.state is RunState.FAILED:
                self.problems[name] = f"{done.message} {done.hint}".strip()
                return
        elif done is not None:
            self._metrics.pulled(task, done)
            self.line(f"{counted(done, 'new message event')}", task)
        self.well(name)

    def failed(self, task: Task, error: HubError) -> None:
        """A task ended with an error, not even a failed run."""
        self._metrics.failed()
        self.problem(self._agenda.title(task), error, task)

    def problem(self, name: str, error: HubError, task: Task | None = None) -> None:
        """Keep a problem, and tell it unless it was the last that was told of this."""
        said = f"{error.message} {error.hint}".strip()
        if self.problems.get(name) != said:
            self.line(said if task else f"{name}: {said}", task)
        self.problems[name] = said

    def well(self, name: str) -> None:
        """What was a problem is none any more."""
        self.problems.pop(name, None)


def fault(error: Exception) -> HubError:
    """What nobody had thought of, for people. Of several at once, the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return HubError(f"A fault of the hub: {type(error).__name__}: {error}", hint="Please report it.")


def _of_a_run(run: Run) -> str:
    figures = f"{run.added:,} added, {run.updated:,} updated, {run.removed:,} removed"
    others = [(run.rejected, "rejected"), (run.owed, "owed")]
    left = "".join(f", {number:,} {word}" for number, word in others if number)
    said = f"{run.message} {run.hint}".strip()
    return f"run {run.id}: {run.state}; {figures}{left}.{f' {said}' if said else ''}"
