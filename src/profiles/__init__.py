"""Reads and writes the measured tables under `profiles/`."""
