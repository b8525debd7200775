"""Write the pages of docs/ that are made from the program, so that they cannot disagree with it.

``make docs`` runs this; tests/test_docs.py compares.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp import errors
from gitexp.cli import glossary
from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import help_of, overview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitexp.text.jsontext import Json

    Schema = Mapping[str, Json]

DOCS = Path(__file__).parent
ANSWERS = DOCS.parent / "gitexp" / "records" / "schemas" / "answers"

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
        "What answers with a verdict (`compare`, `conclude`, `test`, `run --until-decided`) ends",
        "with 0, 1 or 6 by it; what shows one beside others (`status`, `list`, `show`) with 0.",
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


def answers() -> str:
    """Return docs/formats/answers.md: what each command prints with --json, from the schemas."""
    lines = [
        "# answers",
        "",
        "Made from `gitexp/records/schemas/answers/` by `make docs`; do not edit.",
        "",
        "What commands print with `--json`: one value a call, whatever the text shows of it, under",
        "the name of its schema. An error is an answer, too. `gitexp compare --json` and",
        "`gitexp test --json` print a [comparison](comparison.md), an array of them for several",
        "candidates, `gitexp review --json` a [review](review.md). Characters that a terminal",
        "could act on are written as JSON's own escapes.",
    ]
    shared = _schema("common")["$defs"]
    names = sorted(path.stem for path in ANSWERS.glob("*.json") if path.stem != "common")
    for name in names:
        schema = _schema(name)
        (example,) = schema["examples"]
        lines += [
            *("", f"## {name}", "", f"{schema['description']}", ""),
            *_keys(schema, shared),
            *("", "```json", _short(example), "```"),
        ]
    lines += ["", "## In common", ""]
    for name, schema in shared.items():
        if schema["type"] == "object" and name != "plan":
            lines += [f"`{name}`: {schema['description']}", "", *_keys(schema, shared), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _short(example: Schema) -> str:
    """Return JSON in which arrays of plain values stand on one line."""
    text = json.dumps(example, indent=2, ensure_ascii=False)
    return re.sub(r"\[\s+([^\[\]{}]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)


def _schema(name: str) -> Schema:
    return json.loads((ANSWERS / f"{name}.json").read_text(encoding="utf-8"))


def _keys(schema: Schema, shared: Schema) -> list[str]:
    """Return a table of the keys of an object; those of objects in it follow, with a dot."""
    rows = ["| key | is | meaning |", "|---|---|---|"]
    for path, value in _walk(schema, shared, ""):
        rows.append(f"| `{path}` | {_kind(value)} | {value.get('description', '')} |")
    return [row.replace("|  |", "| |") for row in rows]


def _walk(schema: Schema, shared: Schema, above: str) -> Iterator[tuple[str, Schema]]:
    for key, value in schema["properties"].items():
        if key == "$schema":
            continue
        name = value.get("$ref", "").removeprefix("common.json#/$defs/")
        described = {**shared.get(name, {}), **value} if name in shared else value
        yield above + key, described
        for inner in (value, value.get("items", {}), *value.get("anyOf", ())):
            if "properties" in inner:
                yield from _walk(inner, shared, f"{above}{key}.")


def _kind(schema: Schema) -> str:
    """Return in a few words what a value is: its type, or the name of what it refers to."""
    if "$ref" in schema:
        file, _, inner = schema["$ref"].partition("#/")
        page = file.rpartition("/")[2].removesuffix(".json")
        if inner.startswith("properties/"):
            return f"as in [{page}]({page}.md)"
        return f"`{inner.rpartition('/')[2] or page}`"
    if "anyOf" in schema:
        return " or ".join(_kind(part) for part in schema["anyOf"])
    if "enum" in schema:
        return ", ".join("null" if one is None else f'`"{one}"`' for one in schema["enum"])
    kind = schema.get("type", "value")
    if kind == "array":
        return f"array of {_kind(schema['items'])}"
    return " or ".join(kind) if isinstance(kind, list) else kind


def words() -> str:
    """Return docs/glossary.md: what ``gitexp help WORD`` says, for every word."""
    lines = [
        "# Glossary",
        "",
        "Made from `gitexp/cli/glossary.txt` by `make docs`; do not edit. `gitexp help WORD` says",
        "the same. One thing, one name. README and default output get by with the seven in bold.",
    ]
    chapter = ""
    for term in glossary.terms():
        if term.chapter != chapter:
            chapter = term.chapter
            lines += ["", f"## {chapter}", "", "| word | meaning | also |", "|---|---|---|"]
        name, *others = term.words
        shown = f"**{name}**" if term.basic else name
        first, *more = term.lines
        text = f"{first}. {' '.join(more)}"
        lines.append(f"| {shown} | {text} | {', '.join(others)} |".replace("  |", " |"))
    return "\n".join(lines) + "\n"


PAGES = {
    "cli.md": command_line,
    "exit-codes.md": exit_codes,
    "formats/answers.md": answers,
    "glossary.md": words,
}


if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        print(name)
