"""Read-only answers: lists, one experiment, where a branch stands, what differs."""
