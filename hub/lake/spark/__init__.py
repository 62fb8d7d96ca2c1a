"""Spark as an engine over the lake: the same expressions over the same files, on a cluster of its own."""
