"""What has arrived and is not in the lake yet: the intake log, and the mover that empties it."""
