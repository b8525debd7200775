"""Experiments inside Git: layout, transaction, lookup by inputs, index cache."""
