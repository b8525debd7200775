"""The hypothesis stands in a message as trailers, and a message says more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.enforcement.hooks.world import call, copied, template
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

TRAILERS = [
    "Experiment: deep",
    "Hypothesis: A deeper model raises F1 by at least 5 %.",
    "Metric: f1:max >=5%",
]
WRITES = 'f() { printf \'a subject\\n\' | cat - "$1" >"$1.new" && mv "$1.new" "$1"; }; f'
LEAVES = "true"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    return template(tmp_path_factory.mktemp("hooks") / "repo")


@pytest.fixture
def repo(made: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    return copied(made, tmp_path / "repo")


def trailers(repo: BuiltRepo) -> list[str]:
    """Return the trailers of HEAD, as Git itself reads them."""
    return repo.git("log", "-1", "--format=%(trailers:only)").splitlines()


@pytest.mark.parametrize("options", [(), ("-v",), ("-s",)])
def test_where_an_editor_opens_the_hypothesis_is_there(
    repo: BuiltRepo, options: tuple[str, ...]
) -> None:
    said = call(repo, "commit", "--allow-empty", *options, env={"GIT_EDITOR": WRITES})
    assert said.code == 0, said.err
    assert [line for line in trailers(repo) if line] == [
        *(["Signed-off-by: Ada Lovelace <ada@example.org>"] if options == ("-s",) else []),
        *TRAILERS,
    ]
    assert repo.git("log", "-1", "--format=%s") == "a subject"


@pytest.mark.parametrize("options", [(), ("-v",), ("-c", "core.commentChar=;")])
def test_an_editor_that_is_left_makes_no_commit(repo: BuiltRepo, options: tuple[str, ...]) -> None:
    before = repo.hash()
    repo.write({"train.py": "print(3)\n"})
    config, rest = (options, ()) if "-c" in options else ((), options)
    said = call(repo, *config, "commit", "-a", *rest, env={"GIT_EDITOR": LEAVES})
    assert said.code == 1
    assert "nothing beside its trailers" in said.err
    assert repo.hash() == before


def test_a_message_that_is_given_is_left_as_it_is(repo: BuiltRepo) -> None:
    for args in (
        ("commit", "-q", "--allow-empty", "-m", "given"),
        ("commit", "-q", "--allow-empty", "--amend", "--no-edit"),
        ("merge", "-q", "--no-ff", "--no-edit", "main"),
    ):
        assert call(repo, *args).code == 0
        assert trailers(repo) == []


def test_off_experiments_nothing_is_added(repo: BuiltRepo) -> None:
    repo.switch("main")
    assert call(repo, "commit", "--allow-empty", env={"GIT_EDITOR": WRITES}).code == 0
    assert trailers(repo) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("\n\n" + "\n".join(TRAILERS), 1),
        ("# note\n" + "\n".join(TRAILERS) + "\n# more\nSigned-off-by: Ada <a@b.c>\n", 1),
        ("añade\n\n" + "\n".join(TRAILERS), 0),
        ("@team: see\n\n" + "\n".join(TRAILERS), 0),
        ("a subject alone\n", 0),
        ("", 0),  # Git refuses that itself
        ("\n".join(TRAILERS) + "\n# " + "-" * 24 + " >8 " + "-" * 24 + "\ndiff --git a b\n", 1),
    ],
)
@pytest.mark.parametrize("by", ["sh", "python"])
def test_both_ways_to_judge_a_message_agree(repo: BuiltRepo, text: str, code: int, by: str) -> None:
    path = repo.path / ".git" / "COMMIT_EDITMSG"
    path.write_text(text, encoding="utf-8")
    if by == "python":  # as a manager of hooks calls it
        assert gitexp(repo, "hook", "commit-msg", ".git/COMMIT_EDITMSG").code == code
    else:
        said = call(repo, "hook", "run", "commit-msg", "--", ".git/COMMIT_EDITMSG")
        assert said.code == code
