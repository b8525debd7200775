"""Write the pages of docs/ that are made from the program, so that they cannot disagree with it.

``make docs`` runs this; tests/test_docs.py compares.
"""

from __future__ import annotations

import inspect
from pathlib import Path

from gitexp import errors
from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import help_of, overview

DOCS = Path(__file__).parent

CODES = (
    (0, "done; the answer is yes: supported, or equivalent where that was the hypothesis"),
    (1, "done; the answer is no: refuted, a guard-rail broken, the two differ, a rule refuses"),
    (2, "usage; also: a question would have to be asked and there is neither terminal nor `--yes`"),
    (3, "a precondition is missing, or unsafe input was refused"),
    (4, "somebody else moved the branch; nothing was written"),
    (5, "the project's own command failed; the failure is recorded"),
    (6, "done; it cannot be said: inconclusive, undecidable, not comparable"),
    (70, "a bug in gitexp; a log file was written, and its path printed"),
    (130, "interrupted"),
    (141, "whoever read the output closed the pipe"),
)


def error_classes() -> tuple[type[errors.GitexpError], ...]:
    """Return every class of gitexp/errors.py, by exit code and id; the base class is no error."""
    found = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.GitexpError)
    } - {errors.GitexpError}
    return tuple(sorted(found, key=lambda error: (error.exit_code, error.id)))


def exit_codes() -> str:
    """Return docs/exit-codes.md."""
    lines = [
        "# Exit codes and errors",
        "",
        "Made from `gitexp/errors.py` by `make docs`; do not edit.",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in CODES),
        "",
        "An error is printed as `error[ID]: what cannot be done`, followed by what was found,",
        "where, what was expected, and what to type next; with `--json` as a value with the same",
        "fields. Ids and codes are stable. The hint is shown where there is nothing better to say.",
        "",
        "| code | id | when | hint |",
        "|---|---|---|---|",
    ]
    for error in error_classes():
        when = inspect.getdoc(error) or ""
        first = " ".join(when.split("\n\n", maxsplit=1)[0].split())
        hint = f"`{error.hint}`" if error.hint else ""
        lines.append(
            f"| {error.exit_code} | `{error.id}` | {first} | {hint} |".replace("  |", " |")
        )
    return "\n".join(lines) + "\n"


def command_line() -> str:
    """Return docs/cli.md: what ``gitexp help`` says, for every command."""
    lines = [
        "# Commands",
        "",
        "Made from the command table by `make docs`; do not edit. `gitexp help COMMAND` prints the",
        "same. Exit codes are in [exit-codes.md](exit-codes.md).",
        "",
        "```text",
        overview(),
        "```",
    ]
    for command in COMMANDS:
        if not command.hidden:
            lines += ["", f"## gitexp {command.name}", "", "```text", help_of(command), "```"]
    return "\n".join(lines) + "\n"


PAGES = {"cli.md": command_line, "exit-codes.md": exit_codes}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        print(name)
