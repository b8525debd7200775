"""The command line: argv in, text and exit code out. A file for each group of commands."""
