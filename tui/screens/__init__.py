"""The screens: home, one run, one sync, the forms, help and yes-or-no."""
