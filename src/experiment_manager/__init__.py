"""Runs a matrix of live runs on this machine, goes on where it was stopped, and tabulates them."""
