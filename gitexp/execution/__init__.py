"""Executes repeats and records them; engines say where a job runs."""
