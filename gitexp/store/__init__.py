"""Experiments and runs in Git: lookup by inputs, summaries, plans of a branch, replayed lines."""
