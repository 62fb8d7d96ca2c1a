"""What a daemon tells Prometheus. docs/running.md lists every name; a test holds that list against METRICS.

Counters count what this daemon has done since it started, so that several of them add up. What stands in the control
plane (missed ticks, what is due, how fresh audiences are, what waits in the intake and at the doors) is asked for at
each scrape.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from hub.alerts.model import LEVELS
from hub.clock import now
from hub.errors import HubError, StoreError
from hub.inbound.counts import What
from hub.inbound.log import InboundLog
from hub.inbound.requests import State
from hub.store.tables import alert_messages, alert_states, batches, connections, projects
from hub.sync.due import due_syncs
from hub.sync.freshness import FRESH as FRESH_WORD
from hub.sync.freshness import LATE, STALE, Freshness
from hub.sync.models import Run
from hub.sync.states import BatchState
from hub.sync.watching import watched_syncs

if TYPE_CHECKING:
    from datetime import datetime

    from hub.app import Hub
    from hub.schedule import Task


@dataclass(frozen=True)
class Metric:
    """One metric as it is documented: its name, its kind (counter or gauge), its labels, its unit and what it says."""

    name: str
    kind: str
    labels: tuple[str, ...]
    unit: str
    said: str


RUNS = Metric("cohort_hub_runs_total", "counter", ("project", "sync", "state"), "runs", "Runs by how they ended.")
MEMBERS = Metric(
    "cohort_hub_members_total", "counter", ("project", "sync", "outcome"), "members", "Members by what became of them."
)
BATCHES = Metric("cohort_hub_batches_total", "counter", ("project", "sync", "answer"), "batches", "Batches by answer.")
LOST = Metric(
    "cohort_hub_lost_answers_total", "counter", ("project", "sync"), "answers", "Batches sent whose answer was lost."
)
PULLED = Metric(
    "cohort_hub_pulled_events_total", "counter", ("project", "connection"), "events", "New message events pulled."
)
FAULTS = Metric("cohort_hub_faults_total", "counter", (), "faults", "Syncs and pulls that ended with an error.")
WORKING = Metric("cohort_hub_working", "gauge", (), "syncs and pulls", "What this daemon works on now.")
PROBLEMS = Metric("cohort_hub_problems", "gauge", (), "problems", "Problems in the health file.")
UP = Metric("cohort_hub_database_up", "gauge", (), "0 or 1", "Whether the control plane could be read.")
MISSED = Metric(
    "cohort_hub_missed_ticks_total", "counter", ("project", "sync"), "ticks", "Ticks that nobody was there for."
)
DUE = Metric("cohort_hub_due_syncs", "gauge", ("project",), "syncs", "Syncs that are due and wait.")
OLDEST_DUE = Metric(
    "cohort_hub_oldest_due_seconds",
    "gauge",
    ("project",),
    "seconds",
    "Age of the sync that is due for longest; 0: none.",
)
FRESHNESS = Metric(
    "cohort_hub_freshness_seconds",
    "gauge",
    ("project", "sync"),
    "seconds",
    "Most that a change may be old which is not at the partner: since every earlier one was acknowledged.",
)
FRESH = Metric(
    "cohort_hub_freshness_state", "gauge", ("project", "sync"), "0, 1 or 2", "Whether that is fresh, late or stale."
)
LATENCY = Metric(
    "cohort_hub_acknowledged_seconds",
    "gauge",
    ("project", "sync", "quantile"),
    "seconds",
    "Time from a change's arrival to its acknowledgement, over the last runs that changed anything.",
)
WAITING = Metric(
    "cohort_hub_waiting_members", "gauge", ("project", "sync", "why"), "members", "Members that the last run left."
)
ALERTS = Metric("cohort_hub_alerts", "gauge", ("level",), "alerts", "Alerts that are open, by level.")
ALERTS_WAITING = Metric(
    "cohort_hub_alert_messages_waiting", "gauge", (), "messages", "Messages about alerts that have not arrived yet."
)
BACKLOG_RECORDS = Metric(
    "cohort_hub_intake_records", "gauge", (), "records", "Records that wait to be moved to the lake."
)
BACKLOG_BYTES = Metric("cohort_hub_intake_bytes", "gauge", (), "bytes", "Bytes that wait to be moved to the lake.")
BACKLOG_AGE = Metric(
    "cohort_hub_intake_oldest_seconds", "gauge", (), "seconds", "Age of the oldest record that waits; 0: none."
)
INBOUND = Metric(
    "cohort_hub_inbound_requests",
    "gauge",
    ("project", "connection", "state"),
    "requests",
    "Requests of partners that wait to be decoded, or could not be decoded.",
)
NOT_VERIFIED = Metric(
    "cohort_hub_inbound_not_verified_total",
    "counter",
    ("project", "connection"),
    "requests",
    "Requests at a connection's door that were not proven to be the partner's.",
)

METRICS = (
    RUNS, MEMBERS, BATCHES, LOST, PULLED, FAULTS, WORKING, PROBLEMS, UP, MISSED, DUE, OLDEST_DUE, FRESHNESS,
    FRESH, LATENCY, WAITING, ALERTS, ALERTS_WAITING, BACKLOG_RECORDS, BACKLOG_BYTES, BACKLOG_AGE,
    INBOUND, NOT_VERIFIED,
)  # fmt: skip


class Metrics:
    """The metrics of one daemon. `working` and `problems` tell how many there are now."""

    def __init__(self, hub: Hub, *, working: Callable[[], int], problems: Callable[[], int]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._store = hub.workspace.store
        self._runs, self._members, self._batches = self._counter(RUNS), self._counter(MEMBERS), self._counter(BATCHES)
        self._lost, self._pulled, self._faults = self._counter(LOST), self._counter(PULLED), self._counter(FAULTS)
        for metric, count in ((WORKING, working), (PROBLEMS, problems)):
            Gauge(metric.name, metric.said, registry=self.registry).set_function(count)
        self.registry.register(_ControlPlane(hub))

    def serve(self, host: str, port: int) -> str:
        """Serve them over HTTP, on a thread of its own, and return the address. Port 0 is a free one.

        Raises HubError when it cannot listen there.
        """
        try:
            server, _ = start_http_server(port, host, registry=self.registry)
        except (OSError, OverflowError) as error:
            raise HubError(
                f"Metrics cannot be served on {host}, port {port}: {error}.",
                hint="Another process may listen there already; choose another port with --metrics.",
            ) from error
        return f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics"

    def ran(self, task: Task, run: Run) -> None:
        """Count a run that has ended."""
        of_sync = (task.project.name, task.name)
        self._runs.labels(*of_sync, run.state.value).inc()
        for outcome in ("added", "updated", "removed", "rejected"):
            self._members.labels(*of_sync, outcome).inc(getattr(run, outcome))
        with self._store.reading() as connection:
            states = Tally(connection.execute(select(batches.c.state).where(batches.c.run_id == run.id)).scalars())
        for state in (BatchState.ACKNOWLEDGED, BatchState.OWED):
            self._batches.labels(*of_sync, state.value).inc(states[state.value])
        self._lost.labels(*of_sync).inc(run.lost_answers)

    def pulled(self, task: Task, new: int) -> None:
        """Count message events that were pulled."""
        self._pulled.labels(task.project.name, task.name).inc(new)

    def failed(self) -> None:
        """Count a sync or a pull that ended with an error."""
        self._faults.inc()

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.said, metric.labels, registry=self.registry)


class _ControlPlane(Collector):
    """What is asked for at each scrape."""

    def __init__(self, hub: Hub) -> None:
        self._store = hub.workspace.store
        self._hub = hub

    def describe(self) -> Iterable[Any]:
        return ()  # nothing is asked before the first scrape

    def collect(self) -> Iterator[Any]:
        try:
            found = [*self._syncs(), *self._alerts(), *self._intake(), *self._inbound()]
        except StoreError:
            yield _gauge(UP, [((), 0)])
            return
        yield _gauge(UP, [((), 1)])
        yield from found

    def _syncs(self) -> Iterator[Any]:
        at = now()
        with self._store.reading() as connection:
            known = watched_syncs(connection, at)
            names = {row.id: row.name for row in connection.execute(select(projects.c.id, projects.c.name))}
        waiting = due_syncs(self._store, at)
        missed = CounterMetricFamily(MISSED.name, MISSED.said, labels=MISSED.labels)
        for each in known:
            missed.add_metric((each.sync.project_name, each.sync.name), each.sync.missed)
        yield missed
        yield from _freshness({(each.sync.project_name, each.sync.name): each.freshness for each in known})
        counts = Tally(each.project_id for each in waiting)
        oldest = {number: min(each.since for each in waiting if each.project_id == number) for number in counts}
        yield _gauge(DUE, [((name,), counts[number]) for number, name in names.items()])
        yield _gauge(OLDEST_DUE, [((name,), _age(oldest.get(number), at)) for number, name in names.items()])

    def _alerts(self) -> Iterator[Any]:
        states, messages = alert_states.c, alert_messages.c
        with self._store.reading() as connection:
            levels = Tally(connection.execute(select(states.level)).scalars())
            waiting = select(func.count()).where(messages.state == "waiting")
            yield _gauge(ALERTS, [((level,), levels[level]) for level in LEVELS])
            yield _gauge(ALERTS_WAITING, [((), connection.execute(waiting).scalar_one())])

    def _intake(self) -> Iterator[Any]:
        from hub.intake.log import IntakeLog

        log = IntakeLog(self._hub.settings.intake_url)
        waits = log.backlog() if log.exists() else None
        yield _gauge(BACKLOG_RECORDS, [((), waits.records if waits else 0)])
        yield _gauge(BACKLOG_BYTES, [((), waits.bytes if waits else 0)])
        yield _gauge(BACKLOG_AGE, [((), _age(waits.oldest_at if waits else None, now()))])

    def _inbound(self) -> Iterator[Any]:
        """The doors that something came to."""
        log = InboundLog(self._hub.settings.intake_url)
        query = (
            select(connections.c.id, connections.c.name, projects.c.name.label("project"))
            .join(projects, projects.c.id == connections.c.project_id)
            .where(connections.c.removed_at.is_(None))
            .order_by(connections.c.id)
        )
        with self._store.reading() as connection:
            doors = {row.id: (row.project, row.name) for row in connection.execute(query)}
        held = {labels: log.held(number).by_state for number, labels in doors.items()}
        states = (State.WAITING, State.PARKED)
        yield _gauge(
            INBOUND,
            [((*labels, state), each.get(state, 0)) for labels, each in held.items() if each for state in states],
        )
        refused = CounterMetricFamily(NOT_VERIFIED.name, NOT_VERIFIED.said, labels=NOT_VERIFIED.labels)
        for number, labels in doors.items():
            found = [each.number for each in log.counted(number) if each.what == What.NOT_VERIFIED]
            if found or held[labels]:
                refused.add_metric(labels, sum(found))
        yield refused


def _gauge(metric: Metric, samples: Sequence[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.said, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _freshness(of: Mapping[tuple[str, str], Freshness]) -> Iterator[Any]:
    states = (FRESH_WORD, LATE, STALE)
    yield _gauge(FRESHNESS, [(labels, each.age.total_seconds()) for labels, each in of.items()])
    yield _gauge(FRESH, [(labels, states.index(each.state)) for labels, each in of.items()])
    quantiles = [
        ((*labels, str(share)), seconds)
        for labels, each in of.items()
        for share in (0.5, 0.95)
        if (seconds := each.latency.quantile(share)) is not None
    ]
    yield _gauge(LATENCY, quantiles)
    left = [((*labels, why), getattr(each, why)) for labels, each in of.items() for why in ("owed", "parked")]
    yield _gauge(WAITING, left)


def _age(instant: datetime | None, at: datetime) -> float:
    return max((at - instant).total_seconds(), 0.0) if instant else 0.0
