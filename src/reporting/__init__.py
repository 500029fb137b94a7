"""Run logs, summaries, figures and reports."""
