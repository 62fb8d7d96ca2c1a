"""Mixpanel's own wire format of cohorts, read as definitions (reference, 5.5).

A cohort there is a tree, `selector`, whose leaves are tests of profiles, memberships, and counts of what a side table,
`behaviors`, names. What is there and has no counterpart here is refused, with its path.
"""
