"""The word list of CONTRIBUTING, held over identifiers, docstrings and comments."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "gitexp").rglob("*.py"))
LIST = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("## Words")[1]
# no noun, so a name that says nothing: neither a module nor a class is called so
BANNED = frozenset(re.findall(r"`(\w+)`", LIST.split("is called")[1].split(".")[0]))
IDIOMS = {
    "is no range": re.compile(
        r"(?<![Tt]here )(?<!of which )\b(?:is|are|was|were) no"
        r" (?!(?:longer|more|other|such|one|less|better|matter|need|use|way)\b)[a-z]"
    ),
    "names no commit": re.compile(r"\bnames no [a-z]"),
    "belongs into": re.compile(r"\bbelongs? into\b"),
}


@cache
def words(file: Path) -> tuple[str, ...]:
    """Return the docstrings and comments of a file that has one of the idioms anywhere."""
    source = file.read_text("utf-8")
    return tuple(_words(source)) if any(map(re.search, IDIOMS.values(), repeat(source))) else ()


def _words(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def test_the_list_names_each_idiom() -> None:
    assert {idiom for idiom in IDIOMS if f'not "{idiom}"' in LIST} == set(IDIOMS)
    assert all(pattern.search(idiom) for idiom, pattern in IDIOMS.items())
    assert {"said", "beside", "looks"} <= BANNED


@pytest.mark.parametrize("idiom", IDIOMS)
def test_docstrings_and_comments_keep_to_the_list(idiom: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}: {text[max(0, match.start() - 30) : match.end() + 20]}"
        for file in FILES
        for text in words(file)
        if (match := IDIOMS[idiom].search(text))
    ]
    assert found == []


def test_modules_and_classes_are_nouns() -> None:
    assert [file for file in FILES if file.stem in BANNED] == []


def test_a_public_class_has_a_name_of_its_own() -> None:
    homes = defaultdict(list)
    for file in FILES:
        for name in re.findall(r"^class ([^\W_]\w*)", file.read_text("utf-8"), re.MULTILINE):
            assert name.lower() not in BANNED, file
            homes[name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_one_seed_is_not_told_as_seeds() -> None:
    """`numbers.seeds` says either; what is to be typed, `--seeds 3`, has one form."""
    told = re.compile(r"(?<!-)\bseeds \{(?!left\})")
    assert [file for file in FILES if told.search(file.read_text("utf-8"))] == []
