"""Whether and how a seed acts on a project's results."""
