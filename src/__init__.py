"""Soft real-time neural-network inference on live video at the edge."""

__version__ = "0.1.0"
