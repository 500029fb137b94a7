"""Adapting: what a client decides about its frames. Pure."""
