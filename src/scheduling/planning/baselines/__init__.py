"""Planners to compare with."""
