"""Warehouses: databases of other people that are asked for the members of cohorts, and never written to."""
