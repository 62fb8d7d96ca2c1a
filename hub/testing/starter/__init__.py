"""What `hub plugin new` copies: a small plugin that works, for a partner that there is not."""
