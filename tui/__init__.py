"""The terminal UI of the hub. It shows what `hub.app.Hub` tells and passes wishes on; it holds no rules."""
