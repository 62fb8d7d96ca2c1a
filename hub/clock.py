"""The time: UTC, aware, to the microsecond; shown in a project's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


def shown(instant: datetime, zone: str) -> str:
    """`instant` for a person, in the project's zone: `2026-11-23 14:05 CET`."""
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a day of the zone, UTC; where its clocks leap over midnight, the instant of the leap."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def month_bounds(month: str, zone: str) -> tuple[datetime, datetime]:
    """The UTC instants at which a calendar month of `zone` begins and ends (end excluded).

    `month` is `YYYY-MM`. A month whose first midnight is skipped begins with the clock change; one whose clock is
    turned back over midnight begins at the first of the two midnights. Raises ValueError when it is not a month.
    """
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=ZoneInfo(zone))
    year, following = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
    end = first.replace(year=year, month=following)
    return first.astimezone(UTC), end.astimezone(UTC)


def utc_months(start: datetime, end: datetime) -> list[str]:
    """The UTC months (`YYYY-MM`) that the instants from `start` to before `end` lie in: the lake's partitions."""
    last = max(start, end - timedelta(microseconds=1))
    first_number, last_number = (
        instant.year * 12 + instant.month - 1 for instant in (start.astimezone(UTC), last.astimezone(UTC))
    )
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(first_number, last_number + 1)]


def counted(number: int, thing: str, things: str = "") -> str:
    """A number of things, for a person: `1 sync`, `2 syncs`, `1,204 people`."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def ago(instant: datetime | None) -> str:
    """How long ago `instant` was, for a person: `just now`, `5 min ago`, `3 h ago`, `2 d ago`, `never`."""
    if instant is None:
        return "never"
    passed = now() - instant
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    if passed < timedelta(days=1):
        return f"{passed // timedelta(hours=1)} h ago"
    return f"{passed.days} d ago"
