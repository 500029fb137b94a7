"""Measures how long variants take on devices."""
