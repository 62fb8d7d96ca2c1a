"""The simulated shop: always the same for the same seed, and as large and as mixed as the demo promises."""

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.demo.shop import open_shop, write_comeback
from hub.demo.visits import QUIET
from hub.errors import StoreError

END = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def whole_shop():
    return open_shop(END)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small shop, and what its files say: events and profiles as read back."""
    folder = tmp_path_factory.mktemp("shop")
    shop = open_shop(END, people=800)
    shop.write_events(folder / "events.jsonl.gz")
    shop.write_profiles(folder / "profiles.jsonl.gz")
    return shop, *(
        [orjson.loads(line) for line in gzip.open(folder / name)] for name in ("events.jsonl.gz", "profiles.jsonl.gz")
    )


def test_the_shop_is_as_large_as_promised(whole_shop):
    assert len(whole_shop.customers) >= 20_000
    assert len(whole_shop.events) >= 500_000


def test_the_events_span_six_months_and_end_now(whole_shop):
    first, last = (datetime.fromtimestamp(whole_shop.events.time[place], UTC) for place in (0, -1))
    assert timedelta(days=175) < END - first < timedelta(days=190)
    assert timedelta(0) < END - last < timedelta(hours=2)


def test_some_thousands_are_to_be_won_back_and_most_of_them_do_not_visit_any_more(whole_shop):
    lapsed = whole_shop.lapsed_buyers(purchases=3, quiet=timedelta(days=90))
    recent = whole_shop.events.time > (END - timedelta(days=30)).timestamp()
    visitors = {whole_shop.customers.distinct_id(int(one)) for one in np.unique(whole_shop.events.customer[recent])}
    assert 2_000 < len(lapsed) < 6_000
    assert 0.05 < len(lapsed & visitors) / len(lapsed) < 0.5


def test_a_few_customers_are_without_an_address_or_unknown_or_share_one(whole_shop):
    customers = whole_shop.customers
    known = customers.identified
    own = np.arange(len(customers))
    assert 0.06 < (known & (customers.email_of < 0)).sum() / known.sum() < 0.10
    assert 0.10 < (~known).mean() < 0.20
    assert 20 < (known & (customers.email_of >= 0) & (customers.email_of != own)).sum() < 300


def test_some_heavy_buyers_buy_much_more_than_the_others(whole_shop):
    purchases = np.sort(whole_shop.purchases())[::-1]
    assert purchases[: len(purchases) // 20].sum() > 0.25 * purchases.sum()
    assert np.median(purchases) <= 1


def test_the_newsletter_list_has_most_addresses_some_of_them_unsubscribed(whole_shop):
    listed = [*whole_shop.newsletter()]
    addresses = np.unique(whole_shop.customers.email_of[whole_shop.customers.email_of >= 0])
    assert 0.95 < len(listed) / len(addresses) < 0.99
    assert 0.03 < sum(not each.subscribed for each in listed) / len(listed) < 0.07
    assert len({each.email for each in listed}) == len(listed)


def test_the_same_seed_and_end_give_the_same_files_to_the_byte(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        shop = open_shop(END, people=300)
        shop.write_events(tmp_path / name / "events")
        shop.write_profiles(tmp_path / name / "profiles")
        write_comeback(tmp_path / name / "back", ["c000001", "c000007"], END)
    for file in ("events", "profiles", "back"):
        assert gzip_or_plain(tmp_path / "one" / file) == gzip_or_plain(tmp_path / "other" / file)


def gzip_or_plain(path):
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def test_another_seed_gives_another_shop():
    assert not np.array_equal(
        open_shop(END, people=300).events.time[:100], open_shop(END, people=300, seed=21).events.time[:100]
    )


def test_later_starts_move_every_event_and_change_nobody():
    early, late = open_shop(END, people=300), open_shop(END + timedelta(days=7), people=300)
    assert early.lapsed_buyers(purchases=3, quiet=timedelta(days=90)) == late.lapsed_buyers(
        purchases=3, quiet=timedelta(days=90)
    )
    assert np.array_equal(early.purchases(), late.purchases())


@given(end=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_no_event_lies_after_the_end_or_in_the_quiet_time_around_90_days(end, seed):
    times = open_shop(end, people=60, seed=seed).events.time
    assert times[-1] < end.timestamp()
    assert np.all(np.diff(times) >= 0)
    edge = (end - timedelta(days=90)).timestamp()
    margin = (QUIET[1] - QUIET[0]).total_seconds() / 2 - 3_600
    assert not np.any(np.abs(times - edge) < margin)


def test_every_event_of_the_export_has_what_its_kind_promises(exported):
    _, events, _ = exported
    wanted = {
        "App Open": set(),
        "Page View": {"page"},
        "Search": {"term"},
        "Add to Cart": {"product", "category", "price"},
        "Purchase": {"amount", "units", "category", "product"},
    }
    assert {each["event"] for each in events} == wanted.keys()
    for each in events:
        assert (
            each["properties"].keys() >= {"time", "distinct_id", "$insert_id", "$os", "$city"} | wanted[each["event"]]
        )
    assert len({each["properties"]["$insert_id"] for each in events}) == len(events)


def test_unknown_customers_have_events_and_no_profile(exported):
    shop, events, profiles = exported
    known = {each["$distinct_id"] for each in profiles}
    visitors = {each["properties"]["distinct_id"] for each in events}
    assert len(visitors) == 800
    assert known < visitors
    assert all(each.startswith("$device:") for each in visitors - known)
    assert len(known) == int(shop.customers.identified.sum())


def test_the_shops_own_count_of_lapsed_buyers_is_that_of_its_files(exported):
    shop, events, _ = exported
    bought, recent = Counter(), set()
    for each in events:
        if each["event"] == "Purchase":
            bought[each["properties"]["distinct_id"]] += 1
            if each["properties"]["time"] >= END.timestamp() - 90 * 86_400:
                recent.add(each["properties"]["distinct_id"])
    counted = {who for who, times in bought.items() if times >= 3} - recent
    assert counted
    assert shop.lapsed_buyers(purchases=3, quiet=timedelta(days=90)) == counted


def test_who_comes_back_buys_within_the_last_half_hour(tmp_path):
    written = write_comeback(tmp_path / "back.jsonl", ["c000001", "c000002"], END)
    lines = [orjson.loads(line) for line in (tmp_path / "back.jsonl").read_bytes().splitlines()]
    assert len(lines) == written
    assert {each["properties"]["distinct_id"] for each in lines if each["event"] == "Purchase"} == {
        "c000001",
        "c000002",
    }
    assert all(0 < END.timestamp() - each["properties"]["time"] <= 1_800 for each in lines)


def test_a_full_disk_is_told_in_a_sentence():
    with pytest.raises(StoreError, match="No space left"):
        open_shop(END, people=2_000).write_events(Path("/dev/full"))
