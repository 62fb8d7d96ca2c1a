"""Dates on their way to a partner: read from texts and numbers, shown in a zone, in a format.

A text is an ISO 8601 date, or a date and a time; without an offset it is UTC, as products send it. A date alone is that
day in every zone. A number is seconds since 1970, or milliseconds from 100,000,000,000 on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.clock import now
from hub.errors import UsageError

if TYPE_CHECKING:
    import ibis

UNIX, UNIX_MS = "unix", "unix_ms"
"""Formats that are numbers: seconds and milliseconds since 1970."""

_DIRECTIVES = "YymdHIMSfpjaAbBuGVz%"
_UNPADDED = "dmHIMSyj"
_SHORT = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S"}
_MILLISECONDS_FROM = 100_000_000_000
_ISO = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?) ?(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2})?)?)?$"
)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=7_300)
"""So far the clocks' changes to come are looked up."""
_MICROSECOND = timedelta(microseconds=1)
_HOUR, _MINUTE = 3_600_000_000, 60_000_000
_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True)
class DateFormat:
    """A format of dates: `unix`, `unix_ms`, or directives of strftime; `zone` None is the project's."""

    format: str
    zone: ZoneInfo | None = None

    def made(self, work: ibis.Table, value: ibis.Value, project_zone: ZoneInfo, into: str) -> ibis.Table:
        """`work` with the column `into`: typed text of the dates in its column `value` of typed text, null for none.

        Each stage is a column: an expression that stood in every branch of the next one would be worked out there.
        """
        import ibis

        work = _instants(work, value)
        if self.format in (UNIX, UNIX_MS):
            number = work.instant // (1_000_000 if self.format == UNIX else 1_000)
            return work.mutate(**{into: ibis.literal("n:").concat(number.cast("float64").cast("string"))})
        work = work.mutate(ahead=work.is_day.ifelse(0, _ahead(work.instant, self.zone or project_zone)))
        work = work.mutate(wall=work.instant + work.ahead)
        parts = [_shown(work, part) for part in re.split("(%z)", self.format) if part]
        return work.mutate(**{into: ibis.literal("s:").concat(*parts)})


@lru_cache(maxsize=200)
def date_format(argument: str) -> DateFormat:
    """The format of `FORMAT`, or of `FORMAT@ZONE`; one with an @ in it is a JSON string. Raises UsageError."""
    written, zone = _parted(argument)
    if not written:
        raise UsageError("date needs a format.", hint="Such as date:%d.%m.%Y, or date:unix.")
    if written in (UNIX, UNIX_MS):
        if zone is not None:
            raise UsageError(f"date:{written} is the same in every zone.", hint="Leave the zone out.")
        return DateFormat(written)
    for short, long in _SHORT.items():
        written = written.replace(short, long)
    for directive in re.findall("%(-?.?)", written):
        bare = directive.removeprefix("-")
        known = _UNPADDED if directive.startswith("-") else _DIRECTIVES
        if not bare or bare not in known:
            raise UsageError(
                f"date:{argument} has the directive %{directive}, which is none.",
                hint=f"There are {' '.join(f'%{each}' for each in _DIRECTIVES)}, %F, %T, and %-d without zeros.",
            )
    if "%" not in written:
        raise UsageError(
            f"date:{argument} shows nothing of a date.",
            hint="Such as date:%Y-%m-%d, date:%d.%m.%Y@Europe/Oslo, date:unix.",
        )
    return DateFormat(written, zone)


def _parted(argument: str) -> tuple[str, ZoneInfo | None]:
    if quoted := re.match(r'"(?:[^"\\]|\\.)*"', argument):
        written, rest = json.loads(quoted[0]), argument[quoted.end() :]
        if rest and rest[0] != "@":
            raise UsageError(
                f"date:{argument} goes on after its quotation mark.", hint='Write date:"%d @ %m"@Europe/Oslo.'
            )
        name = rest[1:]
    else:
        written, rest, name = argument.rpartition("@") if "@" in argument else (argument, "", "")
    return written, _zone(name.strip()) if rest else None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(
            f"There is no time zone {name!r}.",
            hint='After the @ stands one such as Europe/Oslo; a format with an @ in it is a JSON string: date:"%H@%M".',
        ) from error


def _instants(work: ibis.Table, value: ibis.Value) -> ibis.Table:
    """`work` with `instant`, the microseconds since 1970 of a typed text that is a date, else null; and with `is_day`,
    whether it is a day alone."""
    import ibis

    from hub.lake.functions import clock_microseconds

    work = work.mutate(
        text=value.startswith("s:").ifelse(value.substr(2).strip(), None),
        number=value.startswith("n:").ifelse(value.substr(2), None).try_cast("float64"),
    )
    groups = ("day", "clock", "sign", "hours", "minutes")
    work = work.mutate(**{name: work.text.re_extract(_ISO, place).nullif("") for place, name in enumerate(groups, 1)})
    wall = clock_microseconds(work.day.concat(" ", ibis.coalesce(work.clock, "00:00:00")).try_cast("timestamp"))
    ahead = work.hours.cast("int64") * _HOUR + ibis.coalesce(work.minutes, "00").cast("int64") * _MINUTE
    written = wall - ibis.coalesce((work.sign == "-").ifelse(-ahead, ahead), 0)
    seconds = (work.number.abs() >= _MILLISECONDS_FROM).ifelse(work.number / 1000, work.number)
    counted = (seconds.abs() < _YEAR_10000).ifelse((seconds * 1_000_000).round().cast("int64"), None)
    return work.mutate(instant=ibis.coalesce(written, counted), is_day=work.day.notnull() & work.clock.isnull())


def _ahead(instant: ibis.Value, zone: ZoneInfo) -> ibis.Value:
    """How many microseconds the zone's clocks are ahead of UTC (`hub.cohorts.days`); before 1970 as in 1970."""
    import ibis

    from hub.cohorts.days import offsets

    first, *later = offsets(_FIRST, now() + _AHEAD, zone)
    changes = [(instant >= (since - _FIRST) // _MICROSECOND, ahead) for since, ahead in reversed(later)]
    return ibis.cases(*changes, else_=first[1]) if changes else ibis.literal(first[1])


def _shown(work: ibis.Table, part: str) -> ibis.Value:
    """A part of a format: `%z`, or directives that the engine knows."""
    from hub.lake.functions import clock_at

    if part != "%z":
        return clock_at(work.wall).strftime(part)
    size = work.ahead.abs()
    hours, minutes = size // _HOUR, size % _HOUR // _MINUTE
    return (work.ahead < 0).ifelse("-", "+").concat(*(part.cast("string").lpad(2, "0") for part in (hours, minutes)))
