"""What a sync costs: its first delivery, changes, memory, what is due, and a partner's limit; peers beside it."""
