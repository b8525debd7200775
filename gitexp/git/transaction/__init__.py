"""Publish on branches: everything becomes visible at once, or nothing does."""
