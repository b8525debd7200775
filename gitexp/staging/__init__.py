"""Looks at the world and returns values: params, environment, system, metrics files."""
