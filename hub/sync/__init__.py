"""Syncs: keeping an audience at a partner equal to a cohort.

A run is evaluated, planned, delivered and settled; each step is on disk before the next, so that a killed run
goes on where it stopped.
"""
