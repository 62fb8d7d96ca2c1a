"""What the customers do: visits to the shop, and the events in each, as columns in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from hub.demo.catalogue import CATEGORIES, PRODUCTS, UNITS, VERSIONS, Kind, place
from hub.demo.customers import HABITS, PHONES, Customers

QUIET = (timedelta(days=89, hours=12), timedelta(days=90, hours=12))
"""Nobody visits so long before the end: the demo's cohort asks for 90 days without a purchase, and must not gain
members by the mere passing of the minutes in which the demo runs."""

LAST_VISIT = timedelta(hours=1)
"""Every visit begins at least so long before the end, so that all of it lies in the past."""

STILL_LOOKING = 0.3
"""The share of the lapsed who still look around now and then, without buying."""

_HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 8, 8, 9, 10, 11, 10, 9, 9, 10, 12, 14, 16, 17, 15, 10, 5)
"""How busy each hour of the day is."""
_DAY, _HOUR = 86_400, 3_600
_OFTEN = (Kind.PAGE_VIEW, Kind.PAGE_VIEW, Kind.PAGE_VIEW, Kind.SEARCH, Kind.ADD_TO_CART)


@dataclass(frozen=True)
class Happened:
    """Events as columns, the oldest first: by which customer, when (seconds since 1970), which, and its details.

    `detail` is a place in `hub.demo.catalogue.details()`.
    """

    customer: NDArray[np.int64]
    time: NDArray[np.int64]
    kind: NDArray[np.int8]
    detail: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True)
class _Visits:
    customer: NDArray[np.int64]
    began: NDArray[np.int64]
    bought: NDArray[np.bool_]


def draw_events(customers: Customers, end: datetime, dice: np.random.Generator) -> Happened:
    """Draw all events before `end` (aware). The same dice and the same end give the same events."""
    shopping, looking = _shopping(customers, end, dice), _looking(customers, end, dice)
    visits = _Visits(
        *(np.concatenate(both) for both in zip(vars(shopping).values(), vars(looking).values(), strict=True))
    )
    return _events_of(customers, visits, dice)


def _shopping(customers: Customers, end: datetime, dice: np.random.Generator) -> _Visits:
    customer = np.repeat(np.arange(len(customers)), customers.visits)
    days_ago = dice.uniform(customers.last[customer], customers.first[customer])
    chance = np.array([habit.buys for habit in HABITS.values()])[customers.habit[customer]]
    return _Visits(customer, _instants(days_ago, end, dice), dice.random(len(customer)) < chance)


def _looking(customers: Customers, end: datetime, dice: np.random.Generator) -> _Visits:
    """Late visits of some who lapsed: they look and do not buy."""
    lapsed = np.flatnonzero(customers.habit == [*HABITS].index("lapsed"))
    still = lapsed[dice.random(len(lapsed)) < STILL_LOOKING]
    customer = np.repeat(still, dice.integers(1, 4, len(still)))
    days_ago = dice.uniform(0, 60, len(customer))
    return _Visits(customer, _instants(days_ago, end, dice), np.zeros(len(customer), np.bool_))


def _instants(days_ago: NDArray[np.float64], end: datetime, dice: np.random.Generator) -> NDArray[np.int64]:
    """When visits begin: so many days ago, at an hour at which people shop, outside of the quiet time."""
    hours = np.array(_HOURS, dtype=np.float64)
    hour = dice.choice(24, len(days_ago), p=hours / hours.sum())
    last = int((end - LAST_VISIT).timestamp())
    midnight = last - last % _DAY
    at = midnight - np.floor(days_ago).astype(np.int64) * _DAY + hour * _HOUR + dice.integers(_HOUR, size=len(hour))
    at = np.where(at > last, at - _DAY, at)
    quiet_from, quiet_to = int((end - QUIET[1]).timestamp()), int((end - QUIET[0]).timestamp())
    return np.where((at >= quiet_from) & (at < quiet_to), at - _DAY, at)


def _events_of(customers: Customers, visits: _Visits, dice: np.random.Generator) -> Happened:
    """The events of each visit: it opens, looks around, and may end with a cart and a purchase."""
    length = 1 + dice.poisson(1.6, len(visits.began)) + 2 * visits.bought
    visit = np.repeat(np.arange(len(length)), length)
    step = np.arange(len(visit)) - np.repeat(np.cumsum(length) - length, length)
    left = length[visit] - 1 - step
    customer = visits.customer[visit]
    on_phone = customers.system[customer] < PHONES

    kind = np.array(_OFTEN)[dice.integers(len(_OFTEN), size=len(visit))]
    kind[step == 0] = np.where(on_phone, Kind.APP_OPEN, Kind.PAGE_VIEW)[step == 0]
    kind[visits.bought[visit] & (left == 1)] = Kind.ADD_TO_CART
    kind[visits.bought[visit] & (left == 0)] = Kind.PURCHASE

    time = visits.began[visit] + step * 40 + dice.integers(1, 40, size=len(visit))
    order = np.argsort(time, kind="stable")
    detail = _details(kind, dice)
    return Happened(customer[order], time[order], kind[order].astype(np.int8), detail[order])


def _details(kind: NDArray[np.int64], dice: np.random.Generator) -> NDArray[np.int64]:
    """The details of each event. Cheap products sell more often than dear ones."""
    count = len(kind)
    product = np.floor(PRODUCTS * dice.random(count) ** 1.5).astype(np.int64)
    units = np.minimum(dice.geometric(0.7, count), UNITS) - 1
    within = np.select(
        [kind == Kind.APP_OPEN, kind == Kind.SEARCH, kind == Kind.PURCHASE],
        [dice.integers(len(VERSIONS), size=count), product % len(CATEGORIES), product * UNITS + units],
        default=product,
    )
    found: NDArray[np.int64] = np.array([place(one) for one in Kind])[kind] + within
    return found
