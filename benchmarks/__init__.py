"""Measurements against hand-written floors, in the same run. Not part of the product."""
