"""`/import` from bytes to what the intake log keeps, against its floor: orjson alone. Microseconds of CPU an event.

python -m benchmarks.decoding
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import process_time

import orjson

from benchmarks.import_events import lines
from hub.events.arriving import imported
from hub.events.request import decode_request
from hub.intake.arrival import events_arrival

EVENTS = 2000
TURNS = 60
_NOW = datetime(2024, 6, 1, tzinfo=UTC)


def main() -> float:
    """Measure, print a line for each kind of body; returns the ratio of the first (hub / orjson)."""
    records = [orjson.loads(line) for line in lines(EVENTS)]
    more = {
        "$user_id": "ann",
        "$device_id": "d-1",
        "tags": ["a", "b"],
        "$current_url": "https://example.com/" + "x" * 300,
    }
    larger = [{**record, "properties": {**record["properties"], **more}} for record in records]
    broken = orjson.dumps(records[1:])[:-1] + b',{"event":"\\ud800"}]'
    bodies = {"8 properties": orjson.dumps(records), "12, with a list": orjson.dumps(larger), "one is no JSON": broken}
    ratios = []
    for name, body in bodies.items():
        floor, ours = (_microseconds(work, body) for work in (_parsed, _taken_in))
        ratios.append(ours / floor)
        size = len(body) // EVENTS
        print(
            f"decoding, {name}, {size} bytes an event: orjson {floor:.2f} µs, hub {ours:.2f} µs, ratio {ratios[-1]:.1f}"
        )
    return ratios[0]


def _taken_in(body: bytes) -> int:
    request = decode_request(body, content_type="application/json", query={"strict": "1"})
    return len(events_arrival(1, imported(request, now=_NOW, simplified=True).events, _NOW).payload)


def _parsed(body: bytes) -> object:
    return orjson.loads(body.replace(rb"\ud800", b""))


def _microseconds(work: Callable[[bytes], object], body: bytes) -> float:
    best = float("inf")
    for _ in range(TURNS):
        began = process_time()
        work(body)
        best = min(best, process_time() - began)
    return best / EVENTS * 1e6


if __name__ == "__main__":
    main()
