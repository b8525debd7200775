"""The only door to Git: objects, refs, worktrees, commands."""
