"""Planners as published."""
