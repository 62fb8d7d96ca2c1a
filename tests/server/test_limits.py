"""What one client may send in a minute."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.server.limits import SECONDS, RollingLimit


class Clock:
    """A clock that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_who_has_sent_too_much_waits_until_the_minute_has_room():
    clock = Clock()
    limit = RollingLimit(most_bytes=100, most_records=10, clock=clock)
    limit.count("ann", size=60, records=1)
    clock.now += 30
    limit.count("ann", size=60, records=1)

    assert limit.wait("ann") == 31
    assert limit.wait("bob") == 0
    clock.now += 31
    assert limit.wait("ann") == 0


def test_records_count_as_well_as_bytes():
    limit = RollingLimit(most_bytes=100, most_records=10, clock=Clock())

    limit.count("ann", size=1, records=10)

    assert limit.wait("ann") == SECONDS + 1


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), max_size=40))
def test_the_limit_is_that_of_any_minute(sent):
    clock = Clock()
    limit = RollingLimit(most_bytes=100, most_records=10**9, clock=clock)
    let_in = []
    for pause, size in sent:
        clock.now += pause
        lately = sum(size for at, size in let_in if clock.now < at + 1 + SECONDS)
        assert (limit.wait("ann") == 0) is (lately < 100)
        if lately < 100:
            limit.count("ann", size=size, records=1)
            let_in.append((int(clock.now), size))


def test_clients_of_long_ago_are_forgotten():
    clock = Clock()
    limit = RollingLimit(most_bytes=100, most_records=10, clock=clock)
    for number in range(100):
        limit.count(number, size=1, records=1)
    clock.now += 2 * SECONDS

    limit.count("ann", size=1, records=1)

    assert len(limit._clients) == 1
