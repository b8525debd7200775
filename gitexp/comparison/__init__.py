"""From names on the command line to a verdict: sides, counting, design, test, words."""
