"""A simulated shop: its customers, half a year of their events, and the list that it sends its newsletter to.

Everything follows from a seed and from the instant at which the events end. Files are in the forms of Mixpanel's
raw export and of /engage, so that the hub takes them in like anybody else's.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hub.demo.catalogue import NAMES, PRODUCTS, UNITS, Kind, details, place
from hub.demo.customers import CITIES, FIRST_NAMES, SYSTEMS, TIERS, Customers, device, draw_customers
from hub.demo.visits import Happened, draw_events
from hub.errors import Interrupted, StoreError
from hub.events.report import Stop

PEOPLE = 24_000
SEED = 20

NOT_ON_THE_LIST = 0.03
UNSUBSCRIBED = 0.05

_ROWS = 50_000
_LEVEL = 1  # of compression: the file is read once


@dataclass(frozen=True)
class Subscriber:
    """An address on the shop's newsletter list, and whether it (still) wants the newsletter."""

    email: str
    subscribed: bool


@dataclass(frozen=True)
class Shop:
    """The shop with all that happened in it before `end`."""

    seed: int
    end: datetime
    customers: Customers
    events: Happened

    def write_events(self, path: Path, stop: Stop | None = None) -> int:
        """Write every event to `path` (JSON lines, gzipped), the oldest first; returns how many those are.

        Raises Interrupted when `stop` was set, StoreError when the disk is full.
        """
        columns = _Columns(self.customers)
        with _compressed(path) as file:
            for first in range(0, len(self.events), _ROWS):
                if stop is not None and stop.is_set():
                    raise Interrupted("The demo was stopped while it simulated the shop.", signal_number=2)
                file.write(columns.lines(self.events, first, _ROWS))
        return len(self.events)

    def write_profiles(self, path: Path) -> int:
        """Write the profile of everybody who is known (JSON lines, gzipped); returns how many those are."""
        known = np.flatnonzero(self.customers.identified)
        purchases = self.purchases()
        with _compressed(path) as file:
            for customer in known:
                file.write(orjson.dumps(_profile(self.customers, int(customer), int(purchases[customer]))) + b"\n")
        return len(known)

    def purchases(self) -> NDArray[np.int64]:
        """How often each customer bought something."""
        bought = self.events.customer[self.events.kind == Kind.PURCHASE]
        return np.bincount(bought, minlength=len(self.customers))

    def lapsed_buyers(self, *, purchases: int, quiet: timedelta) -> set[str]:
        """The ids of everybody who bought so often, and nothing within `quiet` before the end: by plain counting."""
        bought = self.events.kind == Kind.PURCHASE
        customer, time = self.events.customer[bought], self.events.time[bought]
        recent = np.unique(customer[time >= (self.end - quiet).timestamp()])
        lapsed = np.setdiff1d(np.flatnonzero(self.purchases() >= purchases), recent)
        return {self.customers.distinct_id(int(one)) for one in lapsed}

    def newsletter(self) -> Iterator[Subscriber]:
        """The list that the shop has had for years: most customers who gave an address, some of whom unsubscribed."""
        dice = np.random.default_rng([self.seed, 2])
        owners = np.unique(self.customers.email_of[self.customers.email_of >= 0])
        chance = dice.random(len(owners))
        wants = dice.random(len(owners)) >= UNSUBSCRIBED
        for owner, on_list, subscribed in zip(owners, chance >= NOT_ON_THE_LIST, wants, strict=True):
            email = self.customers.email(int(owner))
            if on_list and email is not None:
                yield Subscriber(email.strip().lower(), bool(subscribed))


def open_shop(end: datetime, *, people: int = PEOPLE, seed: int = SEED) -> Shop:
    """Simulate a shop with so many people up to `end` (aware)."""
    dice = np.random.default_rng([seed, 1])
    customers = draw_customers(people, dice)
    return Shop(seed, end, customers, draw_events(customers, end, dice))


def write_comeback(path: Path, distinct_ids: Sequence[str], at: datetime, *, seed: int = SEED) -> int:
    """Let these people come back and buy something in the half hour before `at` (aware).

    Writes their events (JSON lines) to `path` and returns how many those are.
    """
    dice = np.random.default_rng([seed, 3])
    sales = details()
    end = int(at.timestamp())
    kinds = (Kind.PAGE_VIEW, Kind.ADD_TO_CART, Kind.PURCHASE)
    with _disk(path), path.open("wb") as file:
        for number, distinct_id in enumerate(distinct_ids):
            product, began = int(dice.integers(PRODUCTS)), end - int(dice.integers(120, 1_800))
            for step, kind in enumerate(kinds):
                detail = sales[place(kind) + product * (UNITS if kind is Kind.PURCHASE else 1)]
                about = {"time": began + 30 * step, "distinct_id": distinct_id, "$insert_id": f"back-{number}-{step}"}
                file.write(_line(NAMES[kind], about, detail))
    return len(distinct_ids) * len(kinds)


def _line(name: str, about: dict[str, Any], detail: bytes) -> bytes:
    return b'{"event":"%b","properties":%b%b}}\n' % (name.encode(), orjson.dumps(about)[:-1], detail)


def _profile(customers: Customers, customer: int, purchases: int) -> dict[str, Any]:
    name = FIRST_NAMES[customers.name[customer]]
    about = {
        "$first_name": name,
        "$city": CITIES[customers.city[customer]],
        "customer_number": customer,
        "tier": TIERS[(purchases >= 3) + (purchases >= 10)],
    }
    email = customers.email(customer)
    if email is not None:
        about["$email"] = email
    return {"$distinct_id": customers.distinct_id(customer), "$set": about}


class _Columns:
    """Everything that a line can be made of, as columns of JSON text: lines are joined from them, many at a time."""

    def __init__(self, customers: Customers) -> None:
        everybody = range(len(customers))
        self._who = pa.array([_who(customers, customer) for customer in everybody], pa.binary())
        self._names = pa.array([name.encode() for name in NAMES], pa.binary())
        self._details = pa.array(details(), pa.binary())

    def lines(self, events: Happened, first: int, count: int) -> bytes:
        """The lines of up to `count` events from place `first` on."""
        here = slice(first, first + count)
        time = events.time[here]
        number = pa.array(np.arange(first, first + len(time))).cast(pa.string())
        joined = pc.binary_join_element_wise(
            b'{"event":"',
            self._names.take(pa.array(events.kind[here])),
            b'","properties":{"time":',
            pa.array(time).cast(pa.string()).cast(pa.binary()),
            b',"$insert_id":"shop-',
            number.cast(pa.binary()),
            self._who.take(pa.array(events.customer[here])),
            self._details.take(pa.array(events.detail[here])),
            b"}}\n",
            b"",
        )
        return _text(joined)


def _text(joined: pa.BinaryArray) -> bytes:
    """All values of a column, one after the other: they lie so in its buffer already."""
    _, offsets, values = joined.buffers()
    end = int(np.frombuffer(offsets, np.int32)[joined.offset + len(joined)])
    whole: bytes = values.slice(0, end).to_pybytes()
    return whole


@contextmanager
def _compressed(path: Path) -> Iterator[gzip.GzipFile]:
    # without the time, so that the same shop is the same file
    with _disk(path), gzip.GzipFile(path, "wb", _LEVEL, mtime=0) as file:
        yield file


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}.", hint="Make room, or choose another home: --home DIR."
        ) from error


def _who(customers: Customers, customer: int) -> bytes:
    about = {"distinct_id": customers.distinct_id(customer)}
    about |= {"$user_id": about["distinct_id"]} if customers.identified[customer] else {"$device_id": device(customer)}
    about |= {"$os": SYSTEMS[customers.system[customer]], "$city": CITIES[customers.city[customer]]}
    return b'",' + orjson.dumps(about)[1:-1]
