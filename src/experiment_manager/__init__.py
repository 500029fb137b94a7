"""Runs sweeps of experiments and collects their results."""
