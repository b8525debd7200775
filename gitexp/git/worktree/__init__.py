"""Worktrees and the index: checked out, restored, compared."""
