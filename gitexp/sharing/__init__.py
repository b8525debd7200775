"""Remotes: push, pull, sync, and how two lines of one branch become one."""
