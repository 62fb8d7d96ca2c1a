"""Why somebody is, or is not, in a cohort: worked out in plain Python over that one person's events and profile.

It shares the definition and the instants of windows with the engine, and none of its SQL; tests hold one against the
other.
"""
