"""The four kinds of road user that the traffic detectors tell apart."""

TRAFFIC_CLASSES: tuple[str, ...] = ("car", "bus", "truck", "motorcycle")
"""Class names; the position in this tuple is the class id."""
