"""Asks DVC several things in one process: starting its command line each time costs seconds.

Stdin: ``[[ARGV], ...]``; stdout: ``[[exit code, output], ...]``. It calls what the command calls.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

from dvc.cli import main


def answer() -> None:
    """Answer all that stands on standard input."""
    answers = []
    questions = json.load(sys.stdin)
    stdout = os.dup(1)
    for argv in questions:
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), 1)  # handlers of its log keep the stream that they began with
            code = main(argv)
            sys.stdout.flush()
            os.dup2(stdout, 1)
            file.seek(0)
            answers.append([code, file.read().decode()])
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    answer()
