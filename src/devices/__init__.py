"""Devices: which there are, and what runs batches on them."""
