"""Whether a file is what it is said to be, from its first lines."""

from __future__ import annotations

from itertools import islice
from typing import Any

from hub.errors import InputError
from hub.events.lines import Rejected, decode
from hub.events.record import looks_like_event, looks_like_profile
from hub.events.source import Form

_LOOKED_AT = 100
_EVENT = '{"event": ..., "properties": {...}}'
_PROFILE = '{"$distinct_id": ..., "$set": {...}}'


def check_is_events(name: str, block: bytes, form: Form) -> None:
    """Raise InputError when the first records of a file are no events but something else: profiles, CSV, a binary."""
    records = _first_records(name, block, form, _EVENT)
    if any(map(looks_like_profile, records)) and not any(map(looks_like_event, records)):
        raise InputError(f"{name} looks like profiles, not events.", hint=f"Use `hub profile import {name}`.")


def check_is_profiles(name: str, block: bytes, form: Form) -> None:
    """Raise InputError when the first records of a file are no profiles but something else: events, CSV, a binary."""
    records = _first_records(name, block, form, _PROFILE)
    if any(map(looks_like_event, records)) and not any(map(looks_like_profile, records)):
        raise InputError(f"{name} looks like events, not profiles.", hint=f"Use `hub event import {name}`.")


def _first_records(name: str, block: bytes, form: Form, expected: str) -> list[dict[str, Any]]:
    filled = (line.strip() for line in block.split(b"\n") if line and not line.isspace())
    lines = list(islice(filled, _LOOKED_AT))
    wanted = f"One JSON object a line, or an array of them, is expected: {expected}, plain, gzip or zstd."
    if b"\0" in block[:65_536]:
        raise InputError(f"{name} is not text in UTF-8.", hint=wanted)
    if lines and not any(line.startswith(b"{") for line in lines):
        if form is Form.ARRAY:
            raise InputError(f"{name} is a JSON array, but not of objects.", hint=wanted)
        raise _no_json(name, lines, wanted)
    records = [record for line in lines if isinstance(record := _decoded(line), dict)]
    if len(records) == 1 and isinstance(records[0].get("results"), list):
        raise InputError(
            f"{name} is a page of answers, not JSON lines.",
            hint=f"{wanted} `jq -c '.results[]' FILE` makes that of it.",
        )
    return records


def _no_json(name: str, lines: list[bytes], wanted: str) -> InputError:
    counts = [{line.count(mark) for line in lines} for mark in (b",", b";", b"\t")]
    if any(len(found) == 1 and 0 not in found for found in counts):
        said = "of events, say which column is what: --event-name, --id, --time (`hub event import --help`)."
        return InputError(f"{name} is not JSON lines: it looks like CSV.", hint=f"{wanted} For CSV {said}")
    return InputError(f"{name} is not JSON lines.", hint=wanted)


def _decoded(line: bytes) -> Any:
    try:
        return decode(line)
    except Rejected:
        return None
