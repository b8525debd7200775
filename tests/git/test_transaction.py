from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import BusyBranchError, LockedError, MovedRefError, UnsafeInputError
from gitexp.git.transaction import transaction
from gitexp.git.transaction.transaction import NewBranch
from gitexp.git.writing import DELETE, Message
from gitexp.model.ids import ABSENT, CommitHash, RunId
from tests.lab.build import clone, repository
from tests.lab.publisher import ADA, NOW, add

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitexp.git.transaction.transaction import Published
    from gitexp.git.writing import Content
    from tests.lab.build import BuiltRepo

FILES = {"metrics.json": '{"f1": 1}\n', "dvc.lock": "old\n", "src/train.py": "pass\n"}
RUN = RunId("abcdefghijklmnop")


@pytest.fixture
def project(repo: BuiltRepo) -> BuiltRepo:
    repo.commit(FILES)
    return repo


def publish(
    repo: BuiltRepo,
    files: Mapping[str, Content],
    branch: str = "main",
    *,
    expected: CommitHash | NewBranch | None = None,
) -> Published:
    message = Message("gitexp run: what came out\n\nbody\n", ADA, NOW)
    return transaction.publish(repo.workspace, branch, lambda _: files, message, expected)


def test_a_commit_has_the_author_the_message_and_exactly_the_changes(project: BuiltRepo) -> None:
    before = project.hash()
    published = publish(
        project, {"metrics.json": b"{}\n", ".gitexp/runs/a/run.json": b"1\n", "dvc.lock": DELETE}
    )
    assert project.hash() == published.commit
    assert published.tip_before == before
    assert project.git("log", "-1", "--format=%an <%ae>|%cn|%aI|%s|%b|%P") == (
        f"Ada Lovelace <ada@example.org>|Ada Lovelace|2024-02-01T12:00:00Z|"
        f"gitexp run: what came out|body\n|{before}"
    )
    assert project.git("diff", "--name-status", before, "main").split("\n") == [
        "A\t.gitexp/runs/a/run.json", "D\tdvc.lock", "M\tmetrics.json",
    ]  # fmt: skip
    assert project.git("log", "-1", "--format=%gs", "-g", "main") == "gitexp run: what came out"
    assert project.git("log", "-1", "--format=%gs", "-g", "HEAD") == "gitexp run: what came out"


def test_a_clean_work_tree_on_the_branch_follows(project: BuiltRepo) -> None:
    published = publish(
        project,
        {
            "metrics.json": b"new\n",
            "src/train.py": DELETE,
            "run.sh": (b"#!/bin/sh\n", True),
            "deep/er/file": b"x\n",
        },
    )
    assert published.not_updated == ()
    assert project.status() == []
    assert project.git("diff-files") == ""  # not even to plumbing that looks at times
    assert (project.path / "metrics.json").read_text() == "new\n"
    assert not (project.path / "src").exists()
    assert (project.path / "run.sh").stat().st_mode & 0o111
    assert project.git("ls-tree", "main", "run.sh").startswith("100755")


def test_edits_of_a_person_survive_whether_staged_or_not(project: BuiltRepo) -> None:
    project.write({"metrics.json": "mine\n", "dvc.lock": "staged\n", "new.txt": "untracked\n"})
    project.git("add", "dvc.lock")
    published = publish(
        project,
        {"metrics.json": b"A\n", "dvc.lock": b"B\n", "new.txt": b"C\n", "src/train.py": b"D\n"},
    )
    assert published.not_updated == ("dvc.lock", "metrics.json", "new.txt")
    assert (project.path / "metrics.json").read_text() == "mine\n"
    assert (project.path / "new.txt").read_text() == "untracked\n"
    assert (project.path / "dvc.lock").read_text() == "staged\n"
    assert project.git("show", ":dvc.lock") == "staged"
    # The index of a path that only its file was edited of is the new tip's: a plain `git commit`
    # takes nothing of the published commit back.
    assert project.status() == ["M  dvc.lock", " M metrics.json", " M new.txt"]
    assert (project.path / "src/train.py").read_text() == "D\n"


def test_a_file_that_is_the_new_content_already_is_taken_over(project: BuiltRepo) -> None:
    project.write({"metrics.json": "A\n", "new.txt": "C\n"})
    assert publish(project, {"metrics.json": b"A\n", "new.txt": b"C\n"}).not_updated == ()
    assert project.status() == []


def test_a_deleted_file_and_a_new_mode_are_edits_too(project: BuiltRepo) -> None:
    (project.path / "metrics.json").unlink()
    (project.path / "dvc.lock").chmod(0o755)
    published = publish(project, {"metrics.json": b"A\n", "dvc.lock": b"B\n"})
    assert published.not_updated == ("dvc.lock", "metrics.json")
    assert not (project.path / "metrics.json").exists()


def test_nothing_is_written_through_a_link_of_the_work_tree(
    project: BuiltRepo, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project.path / ".gitexp").symlink_to(outside)
    (project.path / "conf").symlink_to(outside)
    published = publish(project, {".gitexp/config.yaml": b"A\n", "conf/a": b"B\n"})
    assert published.not_updated == (".gitexp/config.yaml", "conf/a")
    assert list(outside.iterdir()) == []


def test_every_worktree_on_the_branch_follows_and_no_other(
    project: BuiltRepo, tmp_path: Path
) -> None:
    project.branch("exp/a")
    detached = project.worktree(tmp_path / "detached", "--detach", "exp/a")
    linked = project.worktree(tmp_path / "linked", "exp/a")
    linked.write({"dvc.lock": "mine\n"})
    published = publish(project, {"metrics.json": b"A\n", "dvc.lock": b"B\n"}, "exp/a")
    assert published.not_updated == (str(linked.path / "dvc.lock"),)
    assert (linked.path / "metrics.json").read_text() == "A\n"
    assert linked.status() == [" M dvc.lock"]
    assert project.status() == []
    assert detached.status() == []
    assert (detached.path / "metrics.json").read_text() == FILES["metrics.json"]
    # From inside the linked worktree the path is the person's own.
    assert publish(linked, {"dvc.lock": b"C\n"}, "exp/a").not_updated == ("dvc.lock",)


def test_line_endings_are_converted_as_git_does(project: BuiltRepo) -> None:
    project.commit({".gitattributes": "*.txt text eol=crlf\n", "a.txt": "one\n"}, at=2)
    project.git("checkout", "--force", "HEAD", "--", ".")
    (project.path / "a.txt").unlink()
    project.git("checkout", "--", "a.txt")
    assert (project.path / "a.txt").read_bytes() == b"one\r\n"
    assert publish(project, {"a.txt": b"two\n"}).not_updated == ()
    assert (project.path / "a.txt").read_bytes() == b"two\r\n"
    assert project.status() == []


def test_no_filter_and_no_hook_of_the_repository_is_started(
    project: BuiltRepo, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    hooks = project.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "post-commit", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {canary}\n")
        (hooks / name).chmod(0o755)
    project.git("config", "core.hooksPath", str(hooks))
    project.git("config", "core.fsmonitor", str(hooks / "pre-commit"))
    for key in ("clean", "smudge"):
        project.git("config", f"filter.spy.{key}", f"touch {canary}; cat")
    project.git("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "status")
    project.write({".git/info/attributes": "*.json filter=spy\n"})
    published = publish(project, {"metrics.json": b"A\n", "dvc.lock": b"B\n"})
    assert published.not_updated == ("metrics.json",)  # git's to convert, when a person calls git
    assert not canary.exists()


def test_a_new_branch_starts_where_it_is_told(project: BuiltRepo) -> None:
    start = CommitHash(project.hash())
    published = publish(project, {"plan": b"x\n"}, "exp/a", expected=NewBranch(start))
    assert published.tip_before is ABSENT
    assert project.hash("exp/a~1") == start
    assert project.git("branch", "--show-current") == "main"
    with pytest.raises(MovedRefError, match="appeared meanwhile"):
        publish(project, {"plan": b"y\n"}, "exp/a", expected=NewBranch(start))
    with pytest.raises(MovedRefError, match="does not exist"):
        publish(project, {"plan": b"y\n"}, "exp/b")
    with pytest.raises(MovedRefError, match="deleted meanwhile"):
        publish(project, {"plan": b"y\n"}, "exp/b", expected=start)
    assert set(project.refs()) == {"refs/heads/main", "refs/heads/exp/a"}


def test_a_branch_that_moved_is_built_upon_unless_the_caller_forbids(project: BuiltRepo) -> None:
    seen = CommitHash(project.hash())
    project.commit({"other": "x\n"}, at=2)
    with pytest.raises(MovedRefError, match="moved meanwhile"):
        publish(project, {"a": b"x\n"}, expected=seen)
    assert publish(project, {"a": b"x\n"}).tip_before != seen


def test_an_edit_that_changes_nothing_makes_no_commit(project: BuiltRepo) -> None:
    before = project.hash()
    published = publish(project, {"metrics.json": FILES["metrics.json"].encode()})
    assert published.commit == published.tip_before == before
    assert project.hash() == before


def test_an_edit_may_not_leave_its_place(project: BuiltRepo) -> None:
    for path in ("../x", "/etc/x", "a//b", ".git/config", "a/./b", "x\0y"):
        with pytest.raises(UnsafeInputError):
            publish(project, {path: b"x"})
    with pytest.raises(UnsafeInputError, match="folder is needed"):
        publish(project, {"metrics.json/x": b"x"})
    with pytest.raises(UnsafeInputError, match="where there is a folder"):
        publish(project, {"src": b"x"})
    assert project.locks() == []


def test_a_lock_that_stays_is_named(project: BuiltRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "PATIENCE_S", 0.05)
    lock = project.path / ".git/index.lock"
    lock.touch()
    with pytest.raises(LockedError) as caught:
        publish(project, {"a": b"x\n"})
    assert caught.value.where == str(lock)
    assert lock.exists()  # it is not ours
    assert set(project.refs()) == {"refs/heads/main"}


def test_a_branch_in_the_middle_of_a_rebase_is_not_moved(project: BuiltRepo) -> None:
    project.switch("exp/a", create=True)
    project.commit({"dvc.lock": "a\n"}, at=2)
    project.switch("main")
    project.commit({"dvc.lock": "b\n"}, at=3)
    project.switch("exp/a")
    project.git("rebase", "main", check=False)
    with pytest.raises(BusyBranchError):
        publish(project, {"a": b"x\n"}, "exp/a")


def test_a_merge_under_way_keeps_its_conflicts_and_its_end(project: BuiltRepo) -> None:
    project.switch("side", create=True)
    project.commit({"src/train.py": "side\n"}, at=2)
    project.switch("main")
    project.commit({"src/train.py": "main\n"}, at=3)
    project.git("merge", "side", check=False)
    publish(project, {".gitexp/runs/a/run.json": b"1\n"})
    assert project.status() == ["UU src/train.py"]
    project.write({"src/train.py": "both\n"})
    project.git("commit", "--quiet", "-a", "-m", "merged", at=4)
    assert ".gitexp/runs/a/run.json" in project.files()
    assert len(project.git("log", "-1", "--format=%P").split()) == 2


@pytest.mark.parametrize("options", [(), ("--ref-format=reftable",)], ids=["files", "reftable"])
def test_packed_refs_bare_repositories_and_reftable_work_alike(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    project = repository(tmp_path / "repo", options=options)
    project.commit(FILES)
    project.branch("exp/a")
    project.git("pack-refs", "--all")
    published = publish(project, {"metrics.json": b"A\n"})
    assert project.hash("main") == published.commit
    assert project.status() == []
    project.switch("exp/a")
    assert (
        project.hash(publish(project, {"metrics.json": b"B\n"}, "exp/a").commit) == project.hash()
    )
    assert project.status() == []
    assert set(project.refs()) == {"refs/heads/main", "refs/heads/exp/a"}
    project.fsck()


def test_a_bare_repository_can_be_published_to(project: BuiltRepo, tmp_path: Path) -> None:
    bare = clone(project, tmp_path / "bare.git", "--bare")
    published = publish(bare, {"metrics.json": b"A\n"})
    assert bare.hash("main") == published.commit


def test_a_split_index_stays_whole(project: BuiltRepo) -> None:
    project.git("update-index", "--split-index")
    publish(project, {"metrics.json": b"A\n"})
    assert project.status() == []


def test_a_sparse_checkout_stays_sparse(project: BuiltRepo) -> None:
    project.git("sparse-checkout", "set", "--no-cone", "/metrics.json")
    assert publish(project, {"src/train.py": b"A\n", "metrics.json": b"B\n"}).not_updated == ()
    assert not (project.path / "src").exists()
    assert project.status() == []


def test_a_commit_is_signed_where_the_user_signs(project: BuiltRepo, tmp_path: Path) -> None:
    key = tmp_path / "key"
    made = subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=False)
    if made.returncode:
        pytest.skip("no ssh-keygen")
    project.git("config", "gpg.format", "ssh")
    project.git("config", "user.signingKey", str(key))
    project.git("config", "commit.gpgsign", "yes")
    publish(project, {"metrics.json": b"A\n"})
    assert "gpgsig -----BEGIN SSH SIGNATURE" in project.git("cat-file", "commit", "HEAD")
    assert project.git("log", "-1", "--format=%an|%ai|%s") == (
        "Ada Lovelace|2024-02-01 12:00:00 +0000|gitexp run: what came out"
    )


def test_by_products_get_a_commit_of_their_own_with_the_settings_of_dvc(
    project: BuiltRepo,
) -> None:
    source = CommitHash(project.commit({".dvc/config": "[core]\n", ".dvcignore": ""}, at=2))
    first = transaction.publish_data(
        project.workspace, f"{RUN}.dvc", b"outs: []\n", source, Message("m", ADA, NOW)
    )
    assert project.files("gitexp/data") == [".dvc/config", f"{RUN}.dvc"]
    assert project.git("log", "--format=%P", "gitexp/data") == ""
    # A resumed run says the same again.
    assert first == transaction.publish_data(
        project.workspace, f"{RUN}.dvc", b"outs: []\n", source, Message("m", ADA, NOW)
    )
    other = RunId("ponmlkjihgfedcba")
    transaction.publish_data(
        project.workspace, f"sub/{other}.dvc", b"outs: []\n", source, Message("m", ADA, NOW)
    )
    assert project.files("gitexp/data") == [f"sub/{other}.dvc"]
    assert project.hash("gitexp/data~1") == first


def test_by_products_go_on_where_the_remote_is(project: BuiltRepo, tmp_path: Path) -> None:
    source = CommitHash(project.hash())
    remote = transaction.publish_data(
        project.workspace, f"{RUN}.dvc", b"outs: []\n", source, Message("m", ADA, NOW)
    )
    cloned = clone(project, tmp_path / "clone")
    transaction.publish_data(
        cloned.workspace, f"{'p' * 16}.dvc", b"outs: []\n", source, Message("m", ADA, NOW)
    )
    assert cloned.hash("gitexp/data~1") == remote


def test_an_unborn_branch_gets_no_commit_from_us(repo: BuiltRepo) -> None:
    with pytest.raises(MovedRefError, match="does not exist"):
        add(repo.path, "main", "a")
