"""Joules and clocks: what meters say, whose energy that was, and clocks that are set and put back."""
