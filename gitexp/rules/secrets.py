"""R8: no secrets in what was recorded. A finding names the place, never the value."""

from __future__ import annotations

import base64
import posixpath
import re
import struct
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import CONCLUSIONS, ENVIRONMENTS, PLANS, WITNESSES
from gitexp.model.rules import Policy, TreeEntry
from gitexp.rules.facts import Facts, Finding, Rule, TreeChange
from gitexp.rules.recorded import readable_runs
from gitexp.system.secrets import MASK, entropy, is_secret_name, mask
from gitexp.text.paramkeys import flatten
from gitexp.text.params import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.ids import ParamValue
    from gitexp.model.run import Run

_TEXTS: Final = tuple(f"{folder}/" for folder in (PLANS, CONCLUSIONS, ENVIRONMENTS, WITNESSES))
_SHORTEST: Final = 8  # characters of a value whose name says that it is a secret
_RANDOM: Final = re.compile(r"(?!md5-|sha[0-9]{1,3}-)[A-Za-z0-9+/=_-]{24,200}")
_PART: Final = re.compile(r"[A-Za-z0-9]{16,}")  # what a name or a path has between its signs
_KINDS: Final = (re.compile("[A-Z]"), re.compile("[a-z]"), re.compile("[0-9]"))
_WORDS: Final = re.compile(r"[a-z]{3,}")
_MOST_WORDS: Final = 0.4  # of the characters: 0.16 by chance, in names more than a half
_LEAST_ENTROPY: Final = 3.4  # bits a character; 16 by chance have 3.8
_SIZES: Final = (1e-9, 1e9)  # what numbers usually are, and 8 random bytes once in 30 times


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


def looks_random(text: str) -> bool:
    """Return whether a text may be a key: long, of all kinds of characters, and of no words.

    Hashes are none, and neither are paths, names, and numbers that are packed as base64.

    Examples
    --------
    >>> looks_random("q9Zr4TxW8mKe2VbN6pLs1YdF3hJc7GaU")
    True
    >>> [looks_random(text) for text in ("ab" * 20, "data/raw/customers-2025.csv", "1e-3")]
    [False, False, False]
    """
    if not _RANDOM.fullmatch(text) or not all(kind.search(text) for kind in _KINDS):
        return False
    return any(_is_random(part) for part in _PART.findall(text)) and not _packs_numbers(text)


def _is_random(part: str) -> bool:
    """Return whether letters and digits follow each other as no word has them."""
    if sum(map(len, _WORDS.findall(part))) > _MOST_WORDS * len(part):
        return False
    return entropy(part) >= _LEAST_ENTROPY


def _packs_numbers(text: str) -> bool:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    for letter, size in (("d", 8), ("f", 4)):
        if data and len(data) % size == 0:
            numbers = struct.unpack(f"<{len(data) // size}{letter}", data)
            if all(not n or _SIZES[0] < abs(n) < _SIZES[1] for n in numbers):
                return True
    return False


def _run(facts: Facts, path: str, run: Run) -> Iterator[Finding]:
    fine = frozenset(facts.config.not_secret)
    for name, value in run.params.items():
        if name not in fine and _is_secret(name, value):
            yield _finding(f"parameter {name} of run {run.id[:8]}", path)
    texts = {"its command": run.command, "its author's address": run.author.email}
    for repeat in run.repeats:
        texts[f"the log of seed {repeat.seed}"] = repeat.log_tail
        texts[f"the reason of seed {repeat.seed}"] = "\n".join((repeat.reason, *repeat.warnings))
        for name, value in repeat.resources.variables.items():
            if name not in fine and _is_secret(name, value):
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
        if name not in fine and _is_secret(name, value):
            yield _finding(f"parameter {name}", change.path)


def _text(facts: Facts, entry: TreeEntry) -> str:
    try:
        data = facts.read(entry)
    except GitexpError:
        return ""
    return next(iter(mask(data.decode("utf-8", "replace"), {})[1]), "")


def _is_secret(name: str, value: ParamValue) -> bool:
    if isinstance(value, tuple):
        return any(_is_secret(name, item) for item in value)
    if not isinstance(value, str) or value == MASK:
        return False
    if looks_random(value):
        return True
    named = len(value) >= _SHORTEST and is_secret_name(name.rpartition(".")[2])
    return bool(mask(f"{name}: {value}" if named else value, {})[1])


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
