"""Who shops at the simulated shop: how often they come, since when, whether they stopped, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPAN_DAYS = 182
"""How far the shop's events reach back: six months."""

WITHOUT_EMAIL = 0.08
SHARING_AN_EMAIL = 0.008
ODDLY_SPELT_EMAIL = 0.01

FIRST_NAMES = (
    "Ada", "Amir", "Anna", "Bjørn", "Carla", "Chen", "David", "Elif", "Emma", "Farah", "Filip", "Grace", "Hana", "Ida",
    "Ingrid", "Ivan", "Jonas", "Kofi", "Lars", "Leila", "Maja", "Marek", "Mina", "Nils", "Noor", "Olga", "Omar", "Pia",
    "Ravi", "Sara", "Søren", "Tuva", "Viktor", "Yuki", "Zoë", "Åse",
)  # fmt: skip
CITIES = ("Oslo", "Bergen", "Trondheim", "Stavanger", "Tromsø", "Göteborg", "Malmö", "København", "Aarhus", "Helsinki")
SYSTEMS = ("iOS", "Android", "Windows", "Mac OS X", "Linux")
PHONES = 2
"""The first so many systems are phones, whose visits begin with App Open."""
TIERS = ("basic", "plus", "gold")

_CITY_SHARES = (0.3, 0.15, 0.1, 0.08, 0.04, 0.09, 0.07, 0.1, 0.04, 0.03)
_SYSTEM_SHARES = (0.34, 0.36, 0.18, 0.1, 0.02)


@dataclass(frozen=True)
class Habit:
    """One sort of customer. `first` and `last` are days ago: between which their first and last visits lie.

    `buys` is the chance that a visit ends in a purchase, `unknown` that of a customer who never said who he is.
    """

    share: float
    visits: float
    first: tuple[float, float]
    last: tuple[float, float]
    buys: float
    unknown: float


HABITS = {
    "lapsed": Habit(0.17, 10, (150, SPAN_DAYS), (92, 140), 0.50, 0.02),
    "loyal": Habit(0.12, 16, (60, SPAN_DAYS), (0, 10), 0.30, 0.0),
    "heavy": Habit(0.02, 40, (120, SPAN_DAYS), (0, 4), 0.50, 0.0),
    "casual": Habit(0.23, 4, (20, SPAN_DAYS), (0, 120), 0.15, 0.10),
    "looking": Habit(0.30, 3, (1, SPAN_DAYS), (0, 170), 0.0, 0.35),
    "new": Habit(0.16, 4, (1, 40), (0, 3), 0.20, 0.15),
}
"""Who there is. Those who lapsed bought often, and not in the last three months: win-back campaigns are for them."""


@dataclass(frozen=True)
class Customers:
    """All customers, as columns: one place in each array is one customer. `first` and `last` are days ago.

    `email_of` is the customer whose e-mail address it is (a few share one), -1 for those without.
    """

    habit: NDArray[np.int8]
    first: NDArray[np.float64]
    last: NDArray[np.float64]
    visits: NDArray[np.int64]
    identified: NDArray[np.bool_]
    email_of: NDArray[np.int64]
    oddly_spelt: NDArray[np.bool_]
    name: NDArray[np.int8]
    city: NDArray[np.int8]
    system: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.habit)

    def distinct_id(self, customer: int) -> str:
        """What the shop's events call a customer: his number, or his device when he is not known."""
        return f"c{customer:06}" if self.identified[customer] else f"$device:{device(customer)}"

    def email(self, customer: int) -> str | None:
        """The address as the customer typed it; a few typed it oddly, which is the same address none the less."""
        owner = int(self.email_of[customer])
        if owner < 0:
            return None
        plain = f"{_mailbox(FIRST_NAMES[self.name[owner]])}.{owner}@example.com"
        return f" {plain.title()} " if self.oddly_spelt[customer] else plain


def device(customer: int) -> str:
    """The id of a customer's device."""
    return f"d{customer:06}"


def draw_customers(count: int, dice: np.random.Generator) -> Customers:
    """Draw `count` customers. The same dice give the same customers."""
    habits = [*HABITS.values()]
    habit = dice.choice(len(habits), count, p=_shares([one.share for one in habits]))
    first = _between(np.array([one.first for one in habits])[habit], dice)
    last = _between(np.array([one.last for one in habits])[habit], dice)
    means = np.array([one.visits for one in habits])[habit]
    identified = dice.random(count) >= np.array([one.unknown for one in habits])[habit]
    return Customers(
        habit=habit.astype(np.int8),
        first=np.maximum(first, last),
        last=np.minimum(first, last),
        visits=1 + dice.poisson(dice.gamma(2.0, (means - 1) / 2)),
        identified=identified,
        email_of=_emails(habit, identified, dice),
        oddly_spelt=dice.random(count) < ODDLY_SPELT_EMAIL,
        name=dice.integers(len(FIRST_NAMES), size=count).astype(np.int8),
        city=dice.choice(len(CITIES), count, p=_shares(_CITY_SHARES)).astype(np.int8),
        system=dice.choice(len(SYSTEMS), count, p=_shares(_SYSTEM_SHARES)).astype(np.int8),
    )


def _between(ranges: NDArray[np.float64], dice: np.random.Generator) -> NDArray[np.float64]:
    return dice.uniform(ranges[:, 0], ranges[:, 1])


def _shares(shares: Any) -> NDArray[np.float64]:
    given = np.asarray(shares, dtype=np.float64)
    normal: NDArray[np.float64] = given / given.sum()
    return normal


def _emails(habit: NDArray[Any], identified: NDArray[np.bool_], dice: np.random.Generator) -> NDArray[np.int64]:
    """Whose address each customer has: his own, nobody's, or that of another with the same habit."""
    count = len(habit)
    owner = np.arange(count)
    has_one = identified & (dice.random(count) >= WITHOUT_EMAIL)
    alike = np.argsort(np.where(has_one, habit, -1), kind="stable")[(~has_one).sum() :]
    pairs = alike[: len(alike) // 2 * 2].reshape(-1, 2)
    sharing = pairs[dice.random(len(pairs)) < SHARING_AN_EMAIL]
    owner[sharing[:, 1]] = sharing[:, 0]
    return np.where(has_one, owner, -1)


def _mailbox(name: str) -> str:
    return name.lower().translate(str.maketrans("øåë", "oae"))
