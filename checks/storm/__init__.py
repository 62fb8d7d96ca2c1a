"""Runs killed at random instants, under a partner in bad weather: in the end it must hold the cohort and nothing else.

Slow, so it is no part of the test run, which holds a short form of it (`tests/sync/test_storm.py`).
"""
