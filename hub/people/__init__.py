"""People: who a row of the lake belongs to, their profiles, and who counts as a monthly tracked user."""
