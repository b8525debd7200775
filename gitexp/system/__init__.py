"""The machine and the project's folder as values: environment, params, metrics files."""
