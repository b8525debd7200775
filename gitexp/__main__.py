"""`python -m gitexp`."""

from __future__ import annotations

from gitexp.cli.main import entry

if __name__ == "__main__":
    entry()
