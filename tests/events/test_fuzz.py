"""The short form of `make fuzz`."""

from __future__ import annotations

from hypothesis import given, settings

from checks.fuzz import mutated, one_request, seeds


def test_what_the_fuzzer_begins_with_is_taken_in():
    for seed in seeds():
        one_request(seed)


@settings(deadline=None, max_examples=100)
@given(mutated())
def test_no_bytes_raise_anything_but_a_refusal(data):
    one_request(data)
