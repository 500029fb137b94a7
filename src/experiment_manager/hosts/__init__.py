"""Runs on other machines over SSH: an agent there, leased; a session with all of them here."""
