"""Links and submodules where a file or folder of ours would be: never followed, never entered."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.git.transaction import layout
from tests.hostile.test_reading import attacked, check_untouched, paths
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

__all__ = ["attacked"]  # a fixture

LINK, SUBMODULE = "120000", "160000"
OUTSIDE = "what-another-file-says"
LOOKS: tuple[tuple[str, ...], ...] = (
    ("check", "main..REF"),
    ("review", "main...REF", "--json"),
    ("show", "REF"),
    ("compare", "REF"),
    ("diff", "main", "REF"),
    ("inputs", "main", "REF"),
    ("list", "--runs"),
)


def odd(repo: BuiltRepo, name: str, path: str, mode: str, target: str) -> None:
    """Make exp/NAME from exp/a with a link or submodule at a path, instead of what was there."""
    env = git_environment() | {"GIT_INDEX_FILE": str(repo.path / ".git" / "odd-index")}

    def git(*argv: str) -> str:
        fixed = ["git", "-c", "core.fsmonitor=false", *argv]
        return subprocess.check_output(fixed, cwd=repo.path, env=env, text=True).strip()

    git("read-tree", "exp/a")
    for old in git("ls-files", "--", path).splitlines():
        git("update-index", "--force-remove", "--", old)
    link = repo.git("hash-object", "-w", "--stdin", data=target.encode())
    entry = "1" * 40 if mode == SUBMODULE else link
    git("update-index", "--add", "--cacheinfo", f"{mode},{entry},{path}")
    commit = git("commit-tree", git("write-tree"), "-p", "exp/a", "-m", "odd")
    repo.git("update-ref", f"refs/heads/exp/{name}", commit)


@pytest.mark.sweep(5)
@pytest.mark.parametrize("mode", [LINK, SUBMODULE], ids=["link", "submodule"])
@pytest.mark.parametrize(
    "place", ["CONFIG", "PLAN", "RUN", "SAMPLES", "RUNS", "ENVIRONMENT", "params.yaml", "dvc.lock"]
)
def test_an_odd_entry_is_no_file_of_ours(
    attacked: BuiltRepo, place: str, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = attacked.path.parent / "outside"
    outside.write_text(f"{OUTSIDE}: 1\n")
    before = sorted(path.name for path in attacked.path.iterdir())
    known = {**paths(attacked, "a"), "CONFIG": layout.CONFIG, "RUNS": layout.RUNS}
    path = known.get(place, place)
    odd(attacked, "odd", path, mode, "/".join([".."] * (path.count("/") + 1) + ["outside"]))
    for argv in LOOKS:
        code = dispatch(["-C", str(attacked.path), *(w.replace("REF", "exp/odd") for w in argv)])
        said = capsys.readouterr()
        assert 0 <= code <= 6, (argv, said.err)
        assert OUTSIDE not in said.out + said.err
    attacked.git("update-ref", "-d", "refs/heads/exp/odd")
    check_untouched(attacked, before)
