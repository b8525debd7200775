"""Pure functions on arrays; the only room with scipy."""
