"""Connectors with one fault each, and a whole one: what the conformance suite has to tell apart."""
