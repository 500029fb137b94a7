"""Adaptation: how each frame travels over a link that changes."""
