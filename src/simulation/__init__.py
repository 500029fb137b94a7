"""Runs streams, links and devices under a virtual clock, with the decisions of the server's own code."""
