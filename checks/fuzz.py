"""Bytes from anywhere into the decoder, for a bounded time: `python -m checks.fuzz [--seconds 60] [--corpus FOLDER]`.

With atheris (the extra `fuzz`) the bytes are led by the branches that they reach; without it hypothesis makes them.
Whatever comes in, `one_request` must find it either refused as a whole, or each of its records accepted, refused or
ignored, and what was accepted fit for the intake log and the lake. A short form is in `tests/events/test_fuzz.py`.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import msgspec
import orjson

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())

_TYPES = ("", "application/json", "application/x-ndjson", "application/x-www-form-urlencoded")
_ENCODINGS = ("", "gzip")


def one_request(data: bytes) -> None:
    """Take one request in. The first byte of `data` says how it comes, the others are its body."""
    from hub.events.arriving import imported, tracked
    from hub.events.batch import Job, decode_block, events_batch
    from hub.events.record import Event
    from hub.events.request import MAX_RECORDS, BadRequest, decode_request
    from hub.people.engaging import engaged
    from hub.people.profile_update import Update

    how, body = data[:1] or b"\0", data[1:]
    door, kind, packed = how[0] & 3, _TYPES[how[0] >> 2 & 3], _ENCODINGS[how[0] >> 4 & 1]
    if door == 3:
        tally, rows = decode_block(body, Job(1, NOW, first=1, counted=0, written=0, simplified=bool(how[0] & 32)))
        assert rows.num_rows == tally.accepted
        rows.validate(full=True)
        return
    try:
        request = decode_request(
            body, content_type=kind, content_encoding=packed, query={"strict": str(how[0] >> 5 & 1)}
        )
    except BadRequest as error:
        assert error.status in (400, 413, 415)
        return
    sent = len(request.records)
    assert sent <= MAX_RECORDS
    if door == 2:
        updates = engaged(request, now=NOW, known=lambda token: token != "x")
        accepted = [update for some in updates.updates.values() for update in some]
        assert len(accepted) + len(updates.refusals) == sent
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(accepted), type=list[Update]) == accepted
        return
    if door == 1:
        found = imported(request, now=NOW, simplified=bool(how[0] & 64))
        events = found.events
    else:
        found = tracked(request, now=NOW, client_ip="192.0.2.1", simplified=lambda token: token < "m")
        events = [event for some in found.events.values() for event in some]
    assert len(events) + len(found.refusals) + found.ignored == sent
    assert all(refusal.message and len(refusal.excerpt) <= 200 for refusal in found.refusals)
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(events), type=list[Event])
    assert kept == events
    events_batch(kept, 1, NOW).validate(full=True)


def seeds() -> list[bytes]:
    """Requests in each form, for each door, to begin with."""
    event = {
        "event": "Purchase",
        "properties": {
            "token": "t",
            "distinct_id": "ann",
            "$device_id": "d",
            "$user_id": "ann",
            "time": SECONDS,
            "$insert_id": "i-1",
            "tags": ["a", 1, {"b": [None, True]}],
            "amount": 5.5,
            "at": "2026-11-23T10:00:00Z",
        },
    }
    merge = {"event": "$merge", "properties": {"$distinct_ids": ["a", "b"], "token": "t"}}
    update = {"$token": "t", "$distinct_id": "ann", "$set": {"a": 1}, "$add": {"n": 1}, "$union": {"l": ["x"]}}
    texts = [orjson.dumps(given) for given in (event, [event, merge], [update, event], update)]
    texts += [b"\n".join(map(orjson.dumps, (event, 5, event)))]
    texts += [b'[{"event":"\\ud800"},{"event":"A","properties":{"x":NaN}},{"a":"\\u0000"},' + texts[0] + b"]"]
    bodies = [
        *texts,
        *(b"data=" + base64.b64encode(text) + b"&verbose=1&ip=0" for text in texts),
        *(b"ip=1&data=" + quote_plus(text).encode() for text in texts),
        *(gzip.compress(text, mtime=0) for text in texts[:2]),
    ]
    return [bytes([door]) + body for body in bodies for door in (0, 1, 2, 3)]


def main() -> None:
    """Fuzz for so many seconds; ends with 1, and says with what bytes, when something is raised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="where inputs that reached something new are kept, and begun with")
    chosen = parser.parse_args()
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("without atheris (pip install -e '.[fuzz]'): by hypothesis")
        _by_hypothesis(chosen.seconds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _by_atheris(chosen.seconds, chosen.corpus or Path(folder))


def _by_atheris(seconds: int, corpus: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["hub"]):
        import hub.events.arriving
        import hub.events.batch
        import hub.people.engaging  # noqa: F401
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-max_len=4096", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], one_request)
    atheris.Fuzz()  # ends the process


def _by_hypothesis(seconds: int) -> None:
    from hypothesis import HealthCheck, Phase, given, settings

    count = 0

    @settings(
        max_examples=500,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(mutated())
    def some(data: bytes) -> None:
        nonlocal count
        count += 1
        one_request(data)

    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        some()
    print(f"{count:,} requests, none of which raised anything")


def mutated() -> SearchStrategy[bytes]:
    """Bytes of no meaning, and seeds with parts of them cut out, doubled or overwritten."""
    from hypothesis import strategies as st

    part = st.sampled_from(
        [b"\\u0000", b"\\ud800", b"NaN", b"1e999", b"[" * 300 + b"]" * 300, b'{"a":' * 5, b'"', b"}", b",", b"\xff"]
    )

    @st.composite
    def of_a_seed(draw: st.DrawFn) -> bytes:
        data = draw(st.sampled_from(seeds()))
        for _ in range(draw(st.integers(0, 3))):
            start = draw(st.integers(0, len(data)))
            end = draw(st.integers(start, min(len(data), start + 20)))
            data = data[:start] + draw(part | st.binary(max_size=4) | st.just(data[start:end] * 2)) + data[end:]
        return data

    return st.binary(max_size=80) | of_a_seed()


if __name__ == "__main__":
    main()
