"""Slow checks, each with a `make` target of its own: storms that kill processes, other engines, official SDKs."""
