"""Runs the scheduling code under a virtual clock."""
