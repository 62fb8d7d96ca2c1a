"""Partners' message events, on their way in."""
