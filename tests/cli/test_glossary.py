"""`gitexp help WORD`: three lines for each word that the output uses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitexp.cli import glossary
from gitexp.cli.main import main
from gitexp.model.comparison import Role
from gitexp.model.verdict import Verdict

ROOT = Path(__file__).parents[2]
TERMS = glossary.terms()


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.words[0])
def test_each_term_is_explained_in_three_lines_that_fit_a_terminal(term: glossary.Term) -> None:
    assert len(term.lines) == 3
    assert all(0 < len(line) <= 112 for line in term.lines)
    assert term.lines[0][-1] != "."
    assert all(line[-1] in ".?" for line in term.lines[1:])


def test_no_word_is_explained_twice() -> None:
    words = [glossary.find(word) for term in TERMS for word in term.words]
    assert words == [term for term in TERMS for _ in term.words]


def test_seven_words_are_basic() -> None:
    assert sum(term.basic for term in TERMS) == 7


@pytest.mark.parametrize("word", ["p-value", "P value", "Cohen's d", "cohens d", "roc_auc", "HOLM"])
def test_a_word_is_found_however_it_is_written(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *word.split()]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_a_command_goes_before_a_word_of_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "run"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: gitexp run")
    assert "\nrun\n  one execution of the pipeline" in said
    assert main(["help", "list"]) == 0
    assert "as a word" not in capsys.readouterr().out


def test_an_unknown_word_is_an_error_that_names_near_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["help", "bonferoni"]) == 2
    assert 'gitexp help "bonferroni"' in capsys.readouterr().err
    assert main(["help", "compar"]) == 2
    assert "compare" in capsys.readouterr().err


def test_a_long_unknown_word_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "x" * 5000]) == 2
    said = capsys.readouterr().err
    assert "x" * 60 + "..." in said
    assert "x" * 61 not in said


def test_every_verdict_and_role_is_explained() -> None:
    roles = {"primary metric" if role is Role.PRIMARY else role.value for role in Role}
    for word in {verdict.value for verdict in Verdict} | (roles - {"primary metric"}):
        assert glossary.find(word) is not None, word


def test_every_effect_size_is_explained() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "gitexp").rglob("*.py")]
    names = {name for text in sources for name in re.findall(r'EffectSize\(\s*"([^"]+)"', text)}
    assert names
    for name in names:
        assert glossary.find(name) is not None, name
