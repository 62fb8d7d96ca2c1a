"""What has to be true when a storm is over: of the partner's members, of the hub's books, of the limit."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from checks.storm.partners import AUDIENCE, Partner
from checks.storm.world import COHORT
from hub.app import Hub
from hub.store.tables import audiences, batches
from hub.sync.attempts import Attempt, Exchange
from hub.sync.models import Run
from hub.sync.refused import RefusedMembers

Asked = tuple[str, str]
"""One request: its method, and what tells it from others (the body's digest; of a reading call the path)."""

_NOT_CARRIED_OUT = {"cut_before_commit"}
_SHOWN = 5


class Wrong(Exception):
    """Something is not as it has to be."""


def members_are_right(hub: Hub, partner: Partner) -> int:
    """The partner has the cohort minus those whom it refuses, under their keys of now; returns how many it refuses."""
    members = hub.cohorts.members(COHORT, properties=["first_name"])
    wanted = {row[partner.key]: row["properties"]["first_name"] for row in members}
    refused = {key for key in _parked(hub) if key in wanted}
    there = partner.members()
    missing, extra = (wanted.keys() - refused) - there.keys(), there.keys() - (wanted.keys() - refused)
    if missing or extra:
        raise Wrong(f"{len(missing)} are missing {_some(missing)}, {len(extra)} are too many {_some(extra)}")
    stale = {key for key, name in there.items() if name is not None and name != wanted[key]}
    if stale:
        raise Wrong(f"{len(stale)} have another first name there {_some(stale)}")
    return len(refused)


def ledger_explains(hub: Hub, runs: Sequence[Run], recorded: Sequence[Mapping[str, Any]]) -> int:
    """Every request on the partner's record is in the ledger, with an answer that the partner gave.

    Returns how many requests there are. What was carried out more often than once was said to be possible.
    """
    attempts = [attempt for run in runs for attempt in hub.syncs.attempts(run.id)]
    exchanges = [each for attempt in attempts for each in attempt.exchanges]
    told, seen = Counter(map(_asked, exchanges)), Counter(map(_seen, recorded))
    if unexplained := seen - told:
        raise Wrong(f"{unexplained.total()} requests are not in the ledger: {_some(unexplained)}")
    answers = Counter((_asked(each), each.status) for each in exchanges if each.status)
    given = Counter((_seen(row), row["status"]) for row in recorded)
    if invented := answers - given:
        raise Wrong(f"{invented.total()} answers in the ledger were never given: {_some(invented)}")
    _repeats_were_admitted(hub, attempts, recorded)
    return len(recorded)


def _repeats_were_admitted(hub: Hub, attempts: Sequence[Attempt], recorded: Sequence[Mapping[str, Any]]) -> None:
    """What the partner carried out more often than once is of batches whose answers the hub says were lost."""
    of_batches: defaultdict[Asked, set[tuple[int, int]]] = defaultdict(set)
    for attempt in attempts:
        if attempt.batch is not None:
            for each in attempt.exchanges:
                of_batches[_asked(each)].add((attempt.run, attempt.batch))
    lost = _lost_answers(hub, {attempt.run for attempt in attempts})
    carried_out = Counter(_seen(row) for row in recorded if row["writing"] and _was_carried_out(row))
    for asked, times in carried_out.items():
        admitted = sum(lost[batch] for batch in of_batches[asked])
        if times - 1 > admitted:
            raise Wrong(f"{asked} was carried out {times} times, and the hub says that {admitted} answers were lost")


def _lost_answers(hub: Hub, of_runs: Collection[int]) -> dict[tuple[int, int], int]:
    with hub.workspace.store.reading() as connection:
        rows = connection.execute(select(batches).where(batches.c.run_id.in_(of_runs))).all()
    return {(row.run_id, row.number): row.lost_answers for row in rows}


def limit_was_kept(partner: Partner) -> str:
    """No request was over the account's limit; returns the most that were under way at once."""
    limit = partner.admin.state()["limits"].get("concurrency")
    if limit is None:
        return "no limit"
    if limit["refused"] or (limit["limit"] is not None and limit["highest"] > limit["limit"]):
        raise Wrong(f"the limit was passed: {limit}")
    return f"{limit['highest']} at once"


def _parked(hub: Hub) -> set[str]:
    store = hub.workspace.store
    with store.reading() as connection:
        ours = connection.execute(select(audiences.c.id).where(audiences.c.name == AUDIENCE)).scalars().all()
    pages = (page for audience in ours for page in RefusedMembers(store).of_audience(audience))
    return {row.key for page in pages for row in page if not row.in_audience}


def _asked(exchange: Exchange) -> Asked:
    path = urlsplit(exchange.url).path
    if exchange.method == "GET":
        return exchange.method, path
    return exchange.method, _digest(exchange.method, path, exchange.sent)


def _seen(row: Mapping[str, Any]) -> Asked:
    return row["method"], row["digest"] if row["writing"] else row["path"]


def _digest(method: str, path: str, body: bytes) -> str:
    return hashlib.blake2b(f"{method} {path}\n".encode() + body, digest_size=16).hexdigest()


def _was_carried_out(row: Mapping[str, Any]) -> bool:
    refused = row["status"] is None or row["status"] >= 400
    return row["fault"] not in _NOT_CARRIED_OUT and not (refused and row["status"] != 502)


def _some(found: Iterable[Any]) -> str:
    return f"(such as {', '.join(map(str, [*found][:_SHOWN]))})" if found else ""
