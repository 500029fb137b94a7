"""Chooses variant and batch size per device, and a device per stream."""
