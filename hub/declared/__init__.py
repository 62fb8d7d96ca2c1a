"""A hub as code: a file that says which connections, cohorts and syncs there are; planned, reviewed, applied."""
