"""What `compare` and `power` compute, as pure functions on arrays; not public."""
