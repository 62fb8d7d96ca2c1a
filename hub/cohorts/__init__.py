"""Cohorts: a definition becomes an Ibis expression, and that becomes the people for whom it holds."""
