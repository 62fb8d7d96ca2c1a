"""Cohorts that bring their own members: static lists, SQL on a warehouse, and what others push to the hub."""
