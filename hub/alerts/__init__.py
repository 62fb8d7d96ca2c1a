"""Alerts: what is wrong with a hub, told once when it becomes so, and once when it is well again."""
