"""What a branch checks out may be links: nothing outside is hashed, nothing is waited for."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.cli.hook import fast
from gitexp.dvc.hashing import BLOCK
from gitexp.dvc.stage_records import hash_inside, hash_path
from gitexp.errors import UnsafeInputError
from tests.execution.test_run import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.build import BuiltRepo

# Files of the work tree that gitexp, or DVC for it, comes to.
FILES: Final = (".dvcignore", ".dvc/config", ".dvc/.gitignore", ".gitignore", ".gitattributes",
                "dvc.yaml", "dvc.lock", "data.dvc", "params.yaml", "metrics.json",
                ".gitexp/config.yaml", ".gitexp/.gitattributes")  # fmt: skip
VERBS: Final = (("status",), ("list",), ("doctor",), ("check",), ("run", "--dry-run"), ("pull",),
                ("maintenance", "--dry-run"), ("diff", "main", "HEAD"))  # fmt: skip
DATA: Final = (
    "outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e.dir\n  size: 3\n  nfiles: 1\n  hash: md5\n"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    repo = plain(tmp_path_factory.mktemp("linked") / "r")
    repo.write({"data/f": "1"})
    repo.commit({"data.dvc": f"{DATA}  path: data\n", ".gitignore": "/data\n/model.txt\n"})
    os.mkfifo(repo.path.parent / "pipe")
    repo.git("remote", "add", "origin", str(repo.path))
    repo.git("fetch", "-q", "origin")
    return repo


@pytest.fixture
def impatient() -> Iterator[None]:
    def end(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(25)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
@pytest.mark.sweep(5)
@pytest.mark.parametrize("file", FILES)
def test_no_verb_waits_for_a_pipe_that_a_branch_links_to(project: BuiltRepo, file: str) -> None:
    name = "exp/" + file.strip(".").replace("/", "-").replace(".", "-")
    project.switch("main")
    project.switch(name, create=True)
    (project.path / file).unlink(missing_ok=True)
    (project.path / file).symlink_to(project.path.parent / "pipe")
    project.git("add", "--force", "--", file)
    project.git("commit", "-q", "-m", "a link")
    try:
        for argv in VERBS:
            assert dispatch(["-C", str(project.path), *argv]) in range(7), argv
        fast(["post-checkout", project.hash("main"), project.hash(), "1"])
    finally:
        project.git("reset", "-q", "--hard", "main")


LINKS: Final = {
    "above": ("x", "..", "x/Videos"),
    "the folder": ("x", "../Videos", "x"),
    "a file": ("x", "../Videos/film", "x"),
    "far above": ("a/b", "../..", "a/b/Videos"),
}


@pytest.mark.parametrize("kind", LINKS)
def test_an_output_is_hashed_through_no_link(tmp_path: Path, kind: str) -> None:
    project = tmp_path / "p"
    (tmp_path / "Videos").mkdir()
    (tmp_path / "Videos/film").write_bytes(bytes(BLOCK))
    link, target, out = LINKS[kind]
    (project / link).parent.mkdir(parents=True)
    up = target if kind != "far above" else "../.."
    (project / link).symlink_to(up)
    assert hash_path(project, out).size == BLOCK  # the control: there is something to hash
    with pytest.raises(UnsafeInputError):
        hash_inside(project, out)


@pytest.mark.parametrize("link", ["made", "docs", "docs/made"])
@pytest.mark.parametrize("tracked", [True, False])
def test_a_report_is_written_through_no_link_that_a_branch_brought(
    project: BuiltRepo, tmp_path: Path, link: str, *, tracked: bool
) -> None:
    project.git("switch", "-q", "--detach", "main")
    place, to_file = project.path / link, link.endswith("made")
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(tmp_path / "made" if to_file else tmp_path)
    if tracked:
        project.git("add", "--force", "--", link)
        project.git("commit", "-q", "-m", "a link")
    file = link if to_file else f"{link}/made"
    argv = ["-C", str(project.path), "review", "main...HEAD", "--format", "json", "-o", file]
    try:
        code = dispatch(argv)
    finally:
        place.unlink()
        project.git("reset", "-q", "--hard", "main")
    assert (tmp_path / "made").exists() is not tracked, code


def test_an_output_that_is_there_is_hashed(tmp_path: Path) -> None:
    """As files, in a folder, and as links to objects of a cache."""
    (tmp_path / "p/d").mkdir(parents=True)
    (tmp_path / "p/d/f").write_text("x")
    store = tmp_path / "cache/files/md5/9d"
    store.mkdir(parents=True)
    (store / "d4e461268c8034f5c8564e155c67a6").write_text("x")
    (tmp_path / "p/l").symlink_to(store / "d4e461268c8034f5c8564e155c67a6")
    for path in ("d", "d/f", "l"):
        assert hash_inside(tmp_path / "p", path) == hash_path(tmp_path / "p", path)


@pytest.mark.parametrize("link", ["params.yaml", "conf"])
def test_a_params_file_is_written_through_no_link(tmp_path: Path, link: str) -> None:
    repo = plain(tmp_path / "r")
    (tmp_path / "params.yaml").write_text("lr: 0.1\nseed: 7\n")
    file = "params.yaml" if link == "params.yaml" else "conf/params.yaml"
    (repo.path / "params.yaml").unlink()
    (repo.path / link).symlink_to(tmp_path / link if link == "params.yaml" else tmp_path)
    settings = repo.show(".gitexp/config.yaml").replace("params.yaml", file)
    repo.write({".gitexp/config.yaml": settings})
    repo.git("add", "--all", "--force", ":!.gitexp/tmp")
    repo.git("commit", "-qm", "a link")
    argv = ("run", "--commit", "-m", "x", "--param", f"{file}:lr=0.2")
    assert dispatch(["-C", str(repo.path), *argv]) == 3
    assert (tmp_path / "params.yaml").read_text() == "lr: 0.1\nseed: 7\n"
