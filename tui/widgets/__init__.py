"""The parts of the screens: the long list, the six tabs of home, the fields of forms."""
