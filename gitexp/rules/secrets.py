"""R8: no secrets in what was recorded. A finding names the place, never the value."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import CONCLUSIONS, ENVIRONMENTS, PLANS, WITNESSES
from gitexp.model.rules import Policy, TreeEntry
from gitexp.rules.facts import Facts, Finding, Rule, TreeChange
from gitexp.rules.recorded import readable_runs
from gitexp.system.secrets import is_secret, mask
from gitexp.text.paramkeys import flatten
from gitexp.text.params import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.run import Run

_TEXTS: Final = tuple(f"{folder}/" for folder in (PLANS, CONCLUSIONS, ENVIRONMENTS, WITNESSES))


def find(facts: Facts) -> Iterator[Finding]:
    """Look at what a commit records in words, and at its params files."""
    for file, run in readable_runs(facts):
        yield from _run(facts, file.change.path, run)
    params = {posixpath.join(facts.config.project, name) for name in facts.config.params}
    texts: dict[str, str] = {}  # what was found, by blob
    for change in facts.changes:
        if change.new is None or not change.is_file:
            continue
        if change.path in params:
            yield from _params_file(facts, change)
        elif change.path.startswith(_TEXTS) and not change.path.endswith(".tsr"):
            if change.new.id not in texts:
                texts[change.new.id] = _text(facts, change.new)
            if name := texts[change.new.id]:
                yield _finding(name, change.path)


def _run(facts: Facts, path: str, run: Run) -> Iterator[Finding]:
    fine = frozenset(facts.config.not_secret)
    for name, value in run.params.items():
        if name not in fine and is_secret(name, value):
            yield _finding(f"parameter {name} of run {run.id[:8]}", path)
    texts = {"its command": run.command, "its author's address": run.author.email}
    for repeat in run.repeats:
        texts[f"the log of seed {repeat.seed}"] = repeat.log_tail
        texts[f"the reason of seed {repeat.seed}"] = "\n".join((repeat.reason, *repeat.warnings))
        for name, value in repeat.resources.variables.items():
            if name not in fine and is_secret(name, value):
                yield _finding(f"variable {name} of run {run.id[:8]}", path)
    for place, text in texts.items():
        names = [name for name in mask(text, {})[1] if name not in fine]
        if names:
            yield _finding(f"{names[0]} in {place}, run {run.id[:8]}", path)


def _params_file(facts: Facts, change: TreeChange) -> Iterator[Finding]:
    fine = frozenset(facts.config.not_secret)
    try:
        data = b"" if change.new is None else facts.read(change.new)
        values = flatten(parse(data, change.path))
    except GitexpError:
        return  # the run that reads it says what is wrong
    for name, value in values.items():
        if name not in fine and is_secret(name, value):
            yield _finding(f"parameter {name}", change.path)


def _text(facts: Facts, entry: TreeEntry) -> str:
    try:
        data = facts.read(entry)
    except GitexpError:
        return ""
    return next(iter(mask(data.decode("utf-8", "replace"), {})[1]), "")


def _finding(what: str, path: str) -> Finding:
    return Finding(
        f"this looks like a secret: {what}",
        "take it out, and change the secret if it was shared; if it is none, add its name to"
        " rules.not_secret in .gitexp/config.yaml",
        path,
    )


RULE: Final = Rule(
    "R8",
    "no values that look like secrets in parameters, environment and logs that are recorded",
    Policy.WARN,
    find,
)
