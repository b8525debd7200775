"""What `push`, `pull` and `sync` have in common: places, lines of history, bytes."""
