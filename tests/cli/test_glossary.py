"""`gitexp help WORD`: three lines for each word that the output uses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitexp import errors
from gitexp.cli import glossary
from gitexp.cli.main import main
from gitexp.model import sharing, witness
from gitexp.model.comparison import Role
from gitexp.model.design import PowerDesign
from gitexp.model.job import JobState
from gitexp.model.plan import Claim, Direction, HypothesisKind, OnFailed, StoppingRule, Verdict
from gitexp.model.report import Level
from gitexp.model.rules import HookState, Policy
from gitexp.model.run import Origin, RepeatState
from gitexp.model.witness import Grade
from gitexp.records.config import RULE_IDS
from gitexp.stats.hypotheses import ADJUSTMENTS

ROOT = Path(__file__).parents[2]
TERMS = glossary.terms()


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.words[0])
def test_each_term_is_explained_in_three_lines_that_fit_a_terminal(
    term: glossary.GlossaryEntry,
) -> None:
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


# Plain English, and what other words of the same value have told already.
PLAIN = {"none", "primary", "ended", "new"}
PRINTED = (
    Verdict, RepeatState, JobState, Origin, Claim, Direction, HypothesisKind, StoppingRule,
    OnFailed, PowerDesign, Grade, Policy, Level, HookState, sharing.BranchOutcome, witness.Way,
)  # fmt: skip


def printed_words() -> set[str]:
    """Return every id and state that some answer may print, from the program's own tables."""
    words = {str(value.value) for kind in PRINTED for value in kind} | set(ADJUSTMENTS)
    words |= {value.id for value in vars(errors).values() if _is_error(value)} | set(RULE_IDS)
    sources = [path.read_text("utf-8") for path in (ROOT / "gitexp").rglob("*.py")]
    words |= {name for text in sources for name in re.findall(r'\btest="([a-z0-9-]+)"', text)}
    states = (ROOT / "gitexp" / "model" / "listing.py").read_text("utf-8").split("    state: (")[1]
    words |= set(re.findall(r'"([a-z ]+)"', states.split(")")[0]))
    return words - PLAIN


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.GitexpError) and "id" in vars(value)


@pytest.mark.parametrize("word", sorted(printed_words() | {
    "group", "sweep", "metrics", "queue", "R7", "no-samples", "confounded", "curve", "curves",
}))  # fmt: skip
def test_every_word_that_is_printed_is_explained(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *word.split()]) == 0, word
    assert word.rstrip("s").replace("-", " ") in capsys.readouterr().out.replace("-", " ")


def test_an_unknown_word_is_no_excuse_for_a_far_one(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("weeb", "train", "R99", "gpu", "hyperparameter"):
        assert main(["help", word]) == 2
        assert capsys.readouterr().err.endswith("next      gitexp --help\n"), word


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


def test_help_words_has_every_word() -> None:
    listed = glossary.help_of("words")
    assert all(term.words[0] in listed for term in glossary.terms())
