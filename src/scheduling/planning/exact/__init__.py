"""Planners that prove their plan to be the best."""
