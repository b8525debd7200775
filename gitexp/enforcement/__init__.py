"""Who lets what in: hooks, `check`, `review`."""
