"""Measures how long every variant takes on this machine, batch size by batch size."""
