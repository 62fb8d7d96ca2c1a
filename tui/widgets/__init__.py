"""The parts of the screens: the long list, the four tabs of home, the fields of forms."""
