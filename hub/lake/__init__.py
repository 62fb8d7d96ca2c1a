"""The lake: Delta tables that every process may append to at once, and the engine that reads them.

Base layer: it knows tables and files, not what events or cohorts mean.
"""
