"""Which tracked files act on a result, and which parts of those that people and tools share."""
