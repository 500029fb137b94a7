"""Decides: pure functions of (snapshot, now). No clock, socket, sleep, file or global random."""
