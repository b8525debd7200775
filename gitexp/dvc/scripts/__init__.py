"""Programs that import DVC itself, started as files in processes of their own."""
