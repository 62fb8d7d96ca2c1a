"""Reading the attempts of a run from its files, and deleting those that are older than they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hub.store.tables import runs, verifications
from hub.sync.attempts import LENGTH, Attempt, End, Exchange
from hub.sync.states import FINAL

if TYPE_CHECKING:
    from datetime import timedelta

    from hub.workspace import Workspace


def attempts_of(workspace: Workspace, run_id: int, *, batch: int | None = None) -> list[Attempt]:
    """The attempts of a run, or of one batch of it, in the order in which they began.

    Reads all files of the run once; bodies stay compressed until they are asked for.
    """
    found = []
    for file in sorted((workspace.runs_folder / str(run_id)).glob("attempts-*.log")):
        found += [each for each in _read(file, run_id) if batch is None or each.batch == batch]
    return sorted(found, key=lambda each: each.at)


def forget_attempts(workspace: Workspace, keep: timedelta) -> list[str]:
    """Delete the attempts and the plans of the runs of all projects that ended longer ago than `keep`.

    So too what verifications found. Their figures, batches and refusals stay in the control plane. Returns what was
    done, in words.
    """
    from sqlalchemy import select

    from hub.clock import counted, now

    ended = select(runs.c.id).where(runs.c.state.in_([each.value for each in FINAL]), runs.c.finished_at < now() - keep)
    verified = select(verifications.c.id).where(verifications.c.ended_at < now() - keep)
    with workspace.store.reading() as connection:
        old = {str(run_id) for run_id in connection.execute(ended).scalars()}
        old |= {f"verify-{report_id}" for report_id in connection.execute(verified).scalars()}
    removed = 0
    for folder in workspace.runs_folder.glob("*"):
        if folder.name not in old:
            continue
        files = [*folder.glob("attempts-*.log"), *folder.glob("*.parquet")]
        for file in files:
            file.unlink(missing_ok=True)
        removed += bool(files) and folder.name.isdigit()
        with suppress(OSError):  # something else lies there
            folder.rmdir()
    days = counted(keep.days, "day")
    return [f"the ledger of {counted(removed, 'run')} that ended more than {days} ago was removed"] if removed else []


def _read(file: Path, run_id: int) -> Iterator[Attempt]:
    begun: dict[int, dict[str, Any]] = {}
    ends: dict[int, dict[str, Any]] = {}
    requests: dict[int, dict[int, Exchange]] = {}
    for frame in _frames(file):
        match frame["kind"]:
            case "begin":
                begun[frame["id"]] = frame
            case "request":
                requests.setdefault(frame["of"], {})[frame["id"]] = _asked(frame)
            case "answer":
                of = requests[frame["of"]]
                of[frame["id"]] = _with_answer(of[frame["id"]], frame)
            case "end":
                ends[frame["id"]] = frame
    for own, frame in begun.items():
        yield _attempt(run_id, frame, ends.get(own), tuple(requests.get(own, {}).values()))


def _frames(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as content:
        while len(head := content.read(LENGTH.size)) == LENGTH.size:
            (length,) = LENGTH.unpack(head)
            frame = content.read(length)
            if len(frame) < length:
                return
            yield msgspec.msgpack.decode(frame)


def _attempt(
    run_id: int, begin: dict[str, Any], end: dict[str, Any] | None, exchanges: tuple[Exchange, ...]
) -> Attempt:
    attempt = Attempt(
        run=run_id,
        batch=begin["batch"],
        action=begin["action"],
        number=begin["number"],
        size=begin["size"],
        at=_time(begin["at"]),
        first_key=begin["first"],
        last_key=begin["last"],
        exchanges=exchanges,
    )
    if end is None:
        return attempt
    partner_id = next((each.request_id for each in reversed(exchanges) if each.request_id), "")
    return replace(
        attempt,
        end=End(end["end"]),
        message=end["message"],
        seconds=round((end["at"] - begin["at"]) / 1_000_000, 6),
        refused=end.get("refused", {}),
        request_id=end.get("request_id") or partner_id,
    )


def _asked(frame: dict[str, Any]) -> Exchange:
    return Exchange(_time(frame["at"]), frame["method"], frame["url"], frame["bytes"], _sent=tuple(frame["body"]))


def _with_answer(asked: Exchange, frame: dict[str, Any]) -> Exchange:
    return replace(
        asked,
        seconds=round(frame["seconds"], 6),
        status=frame["status"],
        answer_bytes=frame["bytes"],
        request_id=frame["request_id"],
        error=frame["error"],
        answered=True,
        _answer=tuple(frame["body"]),
    )


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
