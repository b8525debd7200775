"""A command that is printed to be typed quotes every name in it: a branch's name may be code."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from gitexp.cli.commands import COMMANDS

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = re.compile(r"\b(gitexp|git|dvc) (-C |[a-z]+)[^;,:]*\Z")
QUOTED: Final = re.compile(r"\b(shlex\.)?(quote|quoted|join)\(")
# Expressions that hold no foreign text: numbers, hashes, ids, words and paths of ours; or are put
# together of quoted parts in a function of their own.
OURS: Final = frozenset(
    """
    meant[0] args.name args.witness args.max_repeats _SED _WORD kind found.needed seeds needed
    _typed(request) _name(request) mean_too ref.commit name_or_error code commit plan run value
    found layout.CONFIG plan.repeats price NAME key verb layout.ENVIRONMENTS layout.run_dir(run)
    rules.expected option also asked call.commit expected _any(moves) place.age_s(path)/60 what
    seed_ranges(dict.fromkeys(left)) failed[-1] near options ','.join(others)
    call.rpartition('--on')[2] '--with-baseline'if_left_else''
    """.split()  # noqa: SIM905
)
# Prose behind a verb, names of Git's hooks, and what the function has quoted part by part.
PROSE: Final = {
    "comparison/advice.py": {"why", "at", "seed_ranges(seeds)"},
    "comparison/exclusions.py": {"without"},
    "comparison/randomness/variation.py": {"min(repeats)", "sides.get(stage, '')"},
    "comparison/draft.py": {"f' --seeds {seeds}' if seeds else ''"},
    "dvc/declared_data.py": {"call"},
    "enforcement/hooks/managers.py": {"name"},
    "execution/preflight/drift.py": {"call"},
    "experiments/new.py": {"those"},
    "execution/state.py": {"said"},
    "report/answers/plans.py": {"where"},
    "report/caveats.py": {"them"},
    "store/replay.py": {"side"},
    "views/status.py": {"it"},
}


def assigned(tree: ast.AST, name: str) -> bool:
    """Whether all that a name of this file is set to is quoted, or text of ours around it."""
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                if any(isinstance(each, ast.Name) and each.id == name for each in names):
                    texts.append(ast.unparse(node.value))
    return bool(texts) and any(QUOTED.search(text) for text in texts)


def unquoted(source: str) -> list[str]:
    """Return what stands in commands of f-strings as it is."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
                continue
            if isinstance(part, ast.FormattedValue) and COMMAND.search(before):
                text = ast.unparse(part.value)
                plain = isinstance(part.value, ast.Name) and assigned(tree, text)
                short = re.search(r"\[:(\d+|_?SHORT)\]$", text)  # of a hash, or an id
                bare = text.replace(" ", "")
                kept = QUOTED.search(text) or plain or short or bare in OURS
                if not kept:
                    found.append(text)
            before += "_"
    return found


def test_commands_to_type_quote_every_name() -> None:
    said = {
        path: names
        for file in sorted((ROOT / "gitexp").rglob("*.py"))
        for path in [str(file.relative_to(ROOT / "gitexp"))]
        if (names := set(unquoted(file.read_text("utf-8"))) - PROSE.get(path, set()))
    }
    assert said == {}


VERB: Final = re.compile(
    r"(?:^|[;:,(`]\s*|\b(?:then|or|and|first|with|by|&&)\s+)gitexp ([a-z][a-z-]*)"
)
NO_VERBS: Final = frozenset({"help", "data", "identity"})  # of messages, and of a digest


def verbs(source: str) -> set[str]:
    """Return the verbs of commands in texts, docstrings aside."""
    tree = ast.parse(source)
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    docs = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    return {
        verb
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        for verb in VERB.findall(node.value)
    }


def test_commands_to_type_have_verbs_that_there_are() -> None:
    there = NO_VERBS.union(command.name for command in COMMANDS)
    said = {
        str(file.relative_to(ROOT)): unknown
        for file in sorted((ROOT / "gitexp").rglob("*.py"))
        if (unknown := verbs(file.read_text("utf-8")) - there)
    }
    assert said == {}
    assert verbs('x = "gitexp verify, then gitexp run"') == {"verify", "run"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('f"gitexp show {plan.name}"', ["plan.name"]),
        ('f"git -C {top} switch {branch}"', ["top", "branch"]),
        ('f"{verb}, then gitexp run --on {branch}"', ["branch"]),
        ('f"gitexp show {shlex.quote(plan.name)}; {plan.name} is ours"', []),
        ('f"git show {commit[:12]}"', []),
    ],
)
def test_the_test_sees_names_in_commands(text: str, names: list[str]) -> None:
    assert unquoted(f"x = {text}\n") == names
