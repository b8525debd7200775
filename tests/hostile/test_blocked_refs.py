"""Names that whoever may push can make, and that have no place here, stop nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gitexp.git import remote
from gitexp.sharing.push_pull import pull, sync
from tests.lab.build import BuiltRepo, clone, repository

if TYPE_CHECKING:
    from pathlib import Path

LONG: Final = "/".join(["n" * 200] * 20)
# What is here first (by a fetch, or of the user), and what the remote has then.
BLOCKS: Final = {
    "a folder where a branch was": (("refs/heads/exp/foo",), ("refs/heads/exp/foo/bar",)),
    "deeper": (("refs/heads/exp/foo",), ("refs/heads/exp/foo/b/c/d", "refs/heads/exp/foo/e")),
    "a branch where a folder was": (("refs/heads/exp/foo/bar",), ("refs/heads/exp/foo",)),
    "tags": (("refs/tags/exp-archive/a",), ("refs/tags/exp-archive/a/b",)),
    "a tag where a folder was": (("refs/tags/exp-archive/a/b",), ("refs/tags/exp-archive/a",)),
    "branches and tags": (
        ("refs/heads/x", "refs/tags/exp-archive/a"),
        ("refs/heads/x/y", "refs/tags/exp-archive/a/b"),
    ),
    "quotes": (("refs/heads/exp/f'o",), ("refs/heads/exp/f'o/'bar",)),
    "too long": ((), (f"refs/heads/exp/{LONG}",)),
}


@pytest.fixture
def here(tmp_path: Path) -> BuiltRepo:
    origin = repository(tmp_path / "o")
    origin.commit({"a.txt": "a"})
    origin.git("branch", "exp/good")
    mine = clone(origin, tmp_path / ("deep" * 20) / "mine")
    mine.git("branch", "exp/good", "origin/exp/good")
    return mine


def move(here: BuiltRepo, before: tuple[str, ...], after: tuple[str, ...]) -> str:
    """Let the remote have one set of refs, then the other and good news."""
    origin = BuiltRepo(here.path.parents[1] / "o")
    for ref in before:
        origin.git("update-ref", ref, "HEAD")
    here.git(
        "fetch", "-q", "origin", "refs/tags/*:refs/tags/*", "+refs/heads/*:refs/remotes/origin/*"
    )
    for ref in before:
        origin.git("update-ref", "-d", ref)
    packed = origin.path / ".git" / "packed-refs"
    tip = origin.hash()
    news = origin.git("commit-tree", "-m", "good news", "-p", tip, "HEAD^{tree}")
    lines = [f"{tip} {ref}\n" for ref in after] + [f"{news} refs/heads/exp/good\n"]
    origin.git("update-ref", "refs/heads/exp/good", news)
    packed.write_text(
        "# pack-refs with: sorted \n" + "".join(sorted(lines, key=lambda line: line[41:]))
    )
    return news


@pytest.mark.sweep(4)
@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("verb", ["pull", "sync"])
def test_a_ref_without_a_place_is_named_and_passed_over(
    here: BuiltRepo, kind: str, verb: str
) -> None:
    before, after = BLOCKS[kind]
    news = move(here, before, after)
    for _ in range(2):  # once more: it is in the way for good
        done = pull(here.workspace) if verb == "pull" else sync(here.workspace, data=False)
        said = [warning for warning in done.warnings if "is not brought" in warning]
        assert len(said) == len(after), done.warnings
        for ref in after:
            name = ref.removeprefix("refs/heads/")[:40]
            assert any(name in warning for warning in said)
        assert here.hash("exp/good") == news


def test_a_ref_that_somebody_is_at_is_waited_for(
    here: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what may pass is no reason to go on without it."""
    monkeypatch.setattr(remote, "TRIES", 2)
    move(here, (), ("refs/heads/exp/foo",))
    lock = here.path / ".git/refs/remotes/origin/exp/foo.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("")
    with pytest.raises(Exception, match="git fetch failed"):
        remote.fetch(here.workspace, "origin")
