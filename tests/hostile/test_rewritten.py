"""A conclusion, or a plan, that another's commit made otherwise is not told as its author's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.git.transaction import layout
from tests.hostile.test_authors import ADA, EVE
from tests.lab.build import BuiltRepo, clone
from tests.lab.records import Lab, experiment

if TYPE_CHECKING:
    from pathlib import Path

CONCLUSION: Final = layout.conclusion_path("deep")
PLAN: Final = layout.plan_path("deep")
WHAT: Final[dict[str, tuple[str, str, str]]] = {
    "words": (CONCLUSION, "it helped a lot", "it was worthless"),
    "verdict": (CONCLUSION, "verdict: supported", "verdict: refuted"),
    "hypothesis": (PLAN, "raises", "lowers"),
}
BY: Final = {"another": EVE, "herself": ADA, "her other address": (ADA[0], "ada@example.com")}
# Who says so, of which file.
SAYING: Final = {
    ("list",): {CONCLUSION},
    ("list", "--json"): {CONCLUSION},
    ("show", "deep"): {CONCLUSION, PLAN},
    ("compare", "deep"): {CONCLUSION},
    ("check", "exp/deep"): {CONCLUSION, PLAN},
    ("review", "main...exp/deep"): {CONCLUSION, PLAN},
}


@pytest.fixture
def ended(repo: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> BuiltRepo:
    """A concluded experiment of Ada's, on a remote too."""
    experiment(Lab(repo))
    repo.switch("exp/deep")
    assert dispatch(["-C", str(repo.path), "conclude", "deep", "-m", "it helped a lot"]) in {0, 1}
    clone(repo, repo.path.parent / "hub.git", "--bare")
    repo.git("remote", "add", "origin", (repo.path.parent / "hub.git").as_uri())
    capsys.readouterr()
    return repo


def rewrite(repo: BuiltRepo, what: str, by: tuple[str, str]) -> str:
    path, old, new = WHAT[what]
    text = (repo.path / path).read_text()
    assert old in text
    (repo.path / path).write_text(text.replace(old, new))
    author = f"--author={by[0]} <{by[1]}>"
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-qam", "a typo", author)
    return path


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("what", WHAT)
def test_every_answer_names_who_committed_it(
    ended: BuiltRepo, what: str, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rewrite(ended, what, BY[by])
    for argv, files in SAYING.items():
        dispatch(["-C", str(ended.path), *argv])
        said = capsys.readouterr()
        text = said.out + said.err
        if path in files:
            assert ("Eve" in text or "who does not commit this" in text) is (by == "another"), text


@pytest.mark.sweep
@pytest.mark.parametrize("verb", ["pull", "sync"])
@pytest.mark.parametrize("what", WHAT)
def test_a_branch_that_goes_on_names_the_records_that_are_otherwise_now(
    ended: BuiltRepo, what: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eve = clone(ended, tmp_path / "eve")
    eve.switch("exp/deep")
    path = rewrite(eve, what, EVE)
    eve.git("push", "-q", ended.git("remote", "get-url", "origin"), "exp/deep")
    if verb == "sync":
        ended.commit({"note.md": "a person's"})
    argv = ["-C", str(ended.path), verb, "deep", *(["--no-data"] if verb == "sync" else [])]
    assert dispatch(argv) == 0
    assert f"{path} by Eve" in capsys.readouterr().out
    assert dispatch(argv) == 0
    assert "by Eve" not in capsys.readouterr().out  # the control: nothing is otherwise since
