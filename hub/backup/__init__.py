"""A hub in one file: made while everything runs, and put back as it was at one instant."""
