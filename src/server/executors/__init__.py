"""Executor processes: decode, batch, run, answer; one process per device."""
