"""Running unattended: the daemon, its health and its metrics."""
