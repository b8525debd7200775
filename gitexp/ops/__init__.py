"""One verb per file; the Python API is this room."""
