"""Plans, names and the life of an experiment: begun, amended, concluded, archived, removed."""
