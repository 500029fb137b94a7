"""Runs on other machines over SSH: an agent there, leased; the fleet of all of them here."""
