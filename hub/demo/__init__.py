"""The demo: a simulated shop, and the hub's main job told on it as a story with figures."""
