"""The control plane: small keyed tables in SQLite (or PostgreSQL), and their migrations.

Base layer: tables and transactions. What the rows mean is the business of the domain packages.
"""
