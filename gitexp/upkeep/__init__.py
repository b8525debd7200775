"""What crashes and time leave behind: found, explained, cleared."""
