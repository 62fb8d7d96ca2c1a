"""What somebody did, beyond how often: days, values of a property, the first time, sequences, decline; as sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.cohorts.asking import ask
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
US, HOUR, DAY = timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1)
OSLO = ZoneInfo("Europe/Oslo")


def _oslo(day: int, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    """A clock time of Oslo in October 2026; its clocks go back on the 25th at 3:00."""
    return datetime(2026, 10, day, hour, minute, tzinfo=OSLO, fold=fold).astimezone(UTC)


def _world(tmp_path_factory, events, *, timezone="UTC"):
    made = make_workspace(tmp_path_factory.mktemp("world") / "home", timezone=timezone)
    add_events(made, events)
    add_profiles(made, [ProfileRow("idle", {"plan": "pro"})])
    return made


@pytest.fixture(scope="module")
def buys(tmp_path_factory):
    """Ann bought for 10 and 30 and an unknown sum, Bob for "50" and 20, Cid twice without a sum; Eve only looked."""

    def bought(person: str, days: int, **properties: object) -> EventRow:
        return EventRow(person, "Purchase", NOW - days * DAY, properties)

    made = _world(
        tmp_path_factory,
        [
            bought("ann", 1, amount=10, sku="a", due="2026-12-01"),
            bought("ann", 2, amount=30, sku="a", due="2026-12-24T12:00:00Z"),
            bought("ann", 200, amount=1000, sku="b"),
            bought("bob", 3, amount="50", sku="b", gift=True),
            bought("bob", 4, amount=20, sku="a", gift=1),
            bought("bob", 5, amount=20, sku="c", gift="1"),
            bought("cid", 3, sku=["a"]),
            bought("cid", 3, sku=["a"]),
            EventRow("eve", "Look", NOW - DAY, {"amount": 5}),
        ],
    )
    with made.reading() as reader:
        yield lambda text, now=NOW: ask(reader, made.project, text, now)


def _aggregate(text: str, more: str = "window: 30 days") -> str:
    return f"{{did: Purchase, aggregate: {{{text}}}, {more}}}"


ALL = {"ann", "bob", "cid", "eve", "idle"}

VALUES = {
    "a sum is of the window": (_aggregate("sum: amount, op: '=', value: 40"), {"ann", "bob"}),
    "a sum passes over texts": (_aggregate("sum: amount, op: '>', value: 40"), set()),
    "a sum of all time": (_aggregate("sum: amount, op: '>', value: 1000", "window: ever"), {"ann"}),
    "a sum of no number is not below anything": (_aggregate("sum: amount, op: '<', value: 100"), {"ann", "bob"}),
    "a sum of no number is unequal to anything": (
        _aggregate("sum: amount, op: '!=', value: 40"), ALL - {"ann", "bob"}),
    "no event and no sum lies outside of a range": (
        _aggregate("sum: amount, op: not between, value: [0, 100]"), ALL - {"ann", "bob"}),
    "an average": (_aggregate("average: amount, op: between, value: [20, 20]"), {"ann", "bob"}),
    "a least value": (_aggregate("min: amount, op: '<=', value: 10"), {"ann"}),
    "a greatest value": (_aggregate("max: amount, op: '>=', value: 30"), {"ann"}),
    "a median of an even number is the middle": (_aggregate("median: amount, op: '=', value: 20"), {"ann", "bob"}),
    "a median of an odd number": (_aggregate("median: amount, op: '=', value: 30", "window: ever"), {"ann"}),
    "a greatest date": (_aggregate("max: due, op: '>', value: 2026-12-23"), {"ann"}),
    "a least date is on a day": (_aggregate("min: due, op: on, value: 2026-12-01"), {"ann"}),
    "a date is no number": (_aggregate("max: due, op: '>', value: 0"), set()),
    "the time of an event is a date too": (_aggregate("max: time, op: on, value: 2026-11-22"), {"ann"}),
    "distinct texts": (_aggregate("distinct: sku, op: '=', value: 3"), {"bob"}),
    "one, yes and a text of one are three values": (_aggregate("distinct: gift, op: '=', value: 3"), {"bob"}),
    "no value is no distinct one": (_aggregate("distinct: sku, op: '<', value: 1"), ALL - {"ann", "bob"}),
    "a list is no distinct value": (_aggregate("distinct: sku, op: '>', value: 0"), {"ann", "bob"}),
    "distinct in a range that has 0": (_aggregate("distinct: sku, op: between, value: [0, 1]"), ALL - {"bob"}),
    "the most frequent text": (_aggregate("most_frequent: sku, op: '=', value: a", "window: ever"), {"ann", "bob"}),
    "of values that are as frequent each is the most frequent": (
        _aggregate("most_frequent: sku, op: '=', value: c"), {"bob"}),
    "the opposite is of none of them": (_aggregate("most_frequent: sku, op: '!=', value: c"), ALL - {"bob"}),
    "the most frequent value may be one of several": (_aggregate("most_frequent: sku, op: in, value: [b, c]"), {"bob"}),
    "the most frequent number": (_aggregate("most_frequent: amount, op: '>=', value: 20"), {"ann", "bob"}),
    "a number is no text": (_aggregate("most_frequent: amount, op: '=', value: '20'"), set()),
    "did not is the opposite": (
        "{did_not: Purchase, aggregate: {sum: amount, op: '>', value: 100}}", {"bob", "cid", "eve", "idle"}),
    "did not a most frequent value": (
        "{did_not: Purchase, aggregate: {most_frequent: sku, op: '=', value: a}}", {"cid", "eve", "idle"}),
    "tests narrow the values": (
        "{did: Purchase, where: {property: sku, op: '=', value: a}, aggregate: {sum: amount, op: '=', value: 20}}",
        {"bob"}),
    "the first time is the first of all history": ("{did: Purchase, window: 30 days, first: true}", {"bob", "cid"}),
    "the first time that passes the tests": (
        "{did: Purchase, where: {property: sku, op: '=', value: a}, window: 30 days, first: true}", {"ann", "bob"}),
    "the first time at the very beginning of the window": (
        "{did: Purchase, window: 5 days, first: true}", {"bob", "cid"}),
    "the first time before the window": ("{did: Purchase, window: 4 days, first: true}", {"cid"}),
    "the first time at its end, which is not in it": (
        "{did: Purchase, window: between 9 and 5 days ago, first: true}", set()),
    "not for the first time": ("{did_not: Purchase, window: 30 days, first: true}", {"ann", "eve", "idle"}),
    "whatever somebody did first": ("{did: any event, window: 2 days, first: true}", {"eve"}),
    "a first time and a number of times": (
        "all: [{did: Purchase, window: 30 days, first: true}, {did: Purchase, count: {at_least: 3}}]", {"bob"}),
}  # fmt: skip


@pytest.mark.parametrize("sentence", VALUES)
def test_value(buys, sentence):
    definition, expected = VALUES[sentence]
    assert buys(definition) == expected


@pytest.fixture(scope="module")
def opens(tmp_path_factory):
    """Ann opened on two days of Oslo, one of UTC; Bob on one, two of UTC; Cid in the hour that is there twice."""
    made = _world(
        tmp_path_factory,
        [
            EventRow("ann", "Open", _oslo(20, 23, 59)),
            EventRow("ann", "Open", _oslo(21, 0, 1)),
            EventRow("bob", "Open", _oslo(21, 1)),
            EventRow("bob", "Open", _oslo(21, 3)),
            EventRow("cid", "Open", _oslo(25, 2, 30)),
            EventRow("cid", "Open", _oslo(25, 2, 30, fold=1)),
            EventRow("dee", "Open", _oslo(25, 23, 59)),
            EventRow("dee", "Open", _oslo(26, 0, 0)),
            EventRow("dee", "Open", _oslo(26, 0, 0)),
            EventRow("dee", "Look", _oslo(27, 0, 0)),
        ],
        timezone="Europe/Oslo",
    )
    with made.reading() as reader:
        yield lambda text, now=NOW: ask(reader, made.project, text, now)


DAYS = {
    "days are those of the project's zone": ("{did: Open, count: {at_least: 2, unit: days}}", {"ann", "dee"}),
    "the longest day of the year is one": ("{did: Open, count: {exactly: 1, unit: days}}", {"bob", "cid"}),
    "no day is 0 days": ("{did: Open, count: {fewer_than: 1, unit: days}}", {"idle"}),
    "days within a window": (
        "{did: Open, count: {at_least: 2, unit: days}, window: between 2026-10-20 and 2026-10-25}", {"ann"}),
    "days without a window go back over all clock changes": (
        "{did: any event, count: {exactly: 3, unit: days}}", {"dee"}),
    "did not on so many days": ("{did_not: Open, count: {at_least: 2, unit: days}}", {"bob", "cid", "idle"}),
}  # fmt: skip


@pytest.mark.parametrize("sentence", DAYS)
def test_days(opens, sentence):
    definition, expected = DAYS[sentence]
    assert opens(definition) == expected


@pytest.fixture(scope="module")
def carts(tmp_path_factory):
    """Carts and orders: a week apart to the microsecond, at once, the wrong way round, in a month's last days."""
    cart = NOW - 20 * DAY

    def pair(person: str, gap: timedelta, **properties: object) -> list[EventRow]:
        return [EventRow(person, "Cart", cart, {"sku": "a"}), EventRow(person, "Order", cart + gap, properties)]

    made = _world(
        tmp_path_factory,
        [
            *pair("week", 7 * DAY, big=True),
            *pair("late", 7 * DAY + US),
            *pair("at once", 0 * DAY),
            *pair("before", -US),
            *pair("soon", US),
            EventRow("none", "Cart", cart),
            EventRow("twice", "Cart", cart),
            EventRow("twice", "Cart", cart + DAY),
            EventRow("thrice", "Cart", NOW - 60 * DAY),
            *pair("thrice", DAY),
            EventRow("month", "Cart", datetime(2026, 1, 31, 9, tzinfo=UTC)),
            EventRow("month", "Order", datetime(2026, 2, 28, 9, tzinfo=UTC)),
            EventRow("month late", "Cart", datetime(2026, 1, 31, 9, tzinfo=UTC)),
            EventRow("month late", "Order", datetime(2026, 2, 28, 9, 0, 0, 1, tzinfo=UTC)),
        ],
    )
    with made.reading() as reader:
        yield lambda text, now=NOW: ask(reader, made.project, text, now)


def _then(step: str, more: str = "within: 7 days, window: 30 days") -> str:
    return f"{{did: Cart, then: {step}, {more}}}"


SEQUENCES = {
    "a week later is within a week": (_then("{did: Order}"), {"week", "soon", "thrice"}),
    "both have to be in the window": (_then("{did: Order}", "within: 7 days, window: 19 days"), set()),
    "the window's end cuts the second one off": (
        _then("{did: Order}", "within: 7 days, window: between 30 and 13 days ago"), {"soon", "thrice"}),
    "at the same instant is not later": (_then("{did: Order}", "within: 1 hour"), {"soon"}),
    "tests on the second one": (_then("{did: Order, where: {property: big, op: '=', value: true}}"), {"week"}),
    "tests on the first one": (
        "{did: Cart, where: {property: sku, op: '=', value: b}, then: {did: Order}, within: 7 days}", set()),
    "the same event has to be done twice": (_then("{did: Cart}", "within: 1 day"), {"twice"}),
    "the same event just too late": (_then("{did: Cart}", "within: 23 hours"), set()),
    "whatever came after whatever": (
        "{did: any event, then: {did: any event}, within: 1 hour, window: 30 days}", {"before", "soon"}),
    "a month of the calendar ends with the month": (
        _then("{did: Order}", "within: 1 month, window: since 2026-01-01"),
        {"week", "late", "soon", "thrice", "month"}),
    "then did not": (_then("{did_not: Order}"), {"late", "at once", "before", "none", "twice"}),
    "one cart without an order is enough": (
        _then("{did_not: Order}", "within: 7 days"),
        {"late", "at once", "before", "none", "twice", "thrice", "month", "month late"}),
    "then did not for a month": (
        _then("{did_not: Order}", "within: 1 month, window: since 2026-10-01"), {"at once", "before", "none", "twice"}),
    "not a sequence is everybody else": (
        f"not: {_then('{did: Order}')}",
        {"late", "at once", "before", "none", "twice", "month", "month late", "idle"}),
    "a sequence and something else": (
        f"all: [{_then('{did: Order}')}, {{did: Cart, count: {{at_least: 2}}}}]", {"thrice"}),
    "one sequence or another": (
        f"any: [{_then('{did: Order}', 'within: 1 hour')}, {_then('{did: Cart}')}]", {"soon", "twice"}),
}  # fmt: skip


@pytest.mark.parametrize("sentence", SEQUENCES)
def test_sequence(carts, sentence):
    definition, expected = SEQUENCES[sentence]
    assert carts(definition) == expected


@pytest.fixture(scope="module")
def plays(tmp_path_factory):
    """Two weeks: `half` played 4 times and then 2, `less` 5 and 2, `stopped` 4 and 0, `new` 0 and 1."""
    counts = {"half": (4, 2), "less": (5, 2), "stopped": (4, 0), "new": (0, 1), "edge": (1, 0)}
    edge = NOW - 14 * DAY
    made = _world(
        tmp_path_factory,
        [
            *(EventRow(person, "Play", NOW - 8 * DAY) for person, (before, _) in counts.items() for _ in range(before)),
            *(EventRow(person, "Play", NOW - DAY) for person, (_, inside) in counts.items() for _ in range(inside)),
            EventRow("edge", "Play", edge - US),
            EventRow("edge", "Play", NOW - 7 * DAY),
        ],
    )
    with made.reading() as reader:
        yield lambda text, now=NOW: ask(reader, made.project, text, now)


def _less(change: str, window: str = "7 days") -> str:
    return f"{{did: Play, change: {{{change}}}, window: {window}}}"


DECLINE = {
    "half is not less than half": (_less("less_than: 50, before: 7 days"), {"less", "stopped"}),
    "half is less than a little more than half": (
        _less("less_than: 50.5, before: 7 days"), {"half", "less", "stopped"}),
    "who never did it before has not declined": (
        _less("less_than: 1000, before: 7 days"), {"half", "less", "stopped", "edge"}),
    "a longer time before has more in it": (
        _less("less_than: 51, before: 8 days"), {"half", "less", "stopped", "edge"}),
    "between two dates": (
        _less("less_than: 50, before: 1 month", "between 2026-11-16 and 2026-11-23"), {"less", "stopped"}),
    "a window to come compares with what there is until now": (
        _less("less_than: 50, before: 7 days", "since 2026-11-25"), {"half", "less", "new"}),
    "has not declined": (f"not: {_less('less_than: 50, before: 7 days')}", {"half", "new", "edge", "idle"}),
}  # fmt: skip


@pytest.mark.parametrize("sentence", DECLINE)
def test_decline(plays, sentence):
    definition, expected = DECLINE[sentence]
    assert plays(definition) == expected
