"""The short form of `make storm`: runs killed at random instants in bad weather, by the same code."""

from __future__ import annotations

import re

import pytest

from checks.storm.rounds import storm


@pytest.mark.parametrize(("partner", "kills"), [("mailchimp", 2), ("webhook", 1)])
def test_killed_at_random_instants_in_bad_weather_the_partner_ends_up_with_the_cohort(partner, kills):
    told: list[str] = []

    killed = storm(partner, kills=kills, people=2_000, seed=4, say=told.append)

    assert killed == kills
    assert sum(int(count) for count in re.findall(r"(\d+) killed", " ".join(told))) == kills


def test_a_killed_workers_run_ends_up_right_in_the_hands_of_another():
    told: list[str] = []

    killed = storm("webhook", kills=1, people=600, seed=4, say=told.append, workers=2)

    assert killed == 1 and "taken over within" in " ".join(told)
