"""Faults F6, F13, F15, F19 and F22 as a user meets them, with real limits."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.dvc import cache, placement
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.execution.run import run
from gitexp.git.transaction.layout import index_file
from gitexp.model.request import RunRequest
from gitexp.views.list_runs import list_experiments
from tests.execution.test_run import plain
from tests.lab.counted import cost
from tests.lab.recorded import a_plan, config_file, plan_file
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.build import BuiltRepo


def mounted(*options: str | Path) -> None:
    """Mount, or skip the test with what the machine said."""
    done = subprocess.run(["mount", *map(str, options)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.decode().strip()}")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[BuiltRepo]:
    """A project with a run, on a file system that cannot be written to (root is no exception)."""
    repo = plain(tmp_path / "r")
    run(repo.workspace, RunRequest(repeats=1))
    mounted("--bind", repo.path, repo.path)
    try:
        mounted("-o", "remount,ro,bind", repo.path)
        yield repo
    finally:
        subprocess.run(["umount", "-l", repo.path], check=False)


def test_on_a_read_only_disk_looking_works_and_writing_says_why(read_only: BuiltRepo) -> None:
    before = (read_only.refs(), read_only.status())
    for command in (["list", "--runs"], ["status"], ["show", "main"], ["diff", "main", "main"]):
        done = gitexp(read_only, *command)
        assert done.code == 0, (command, done.err)
    assert gitexp(read_only, "doctor").code == 0
    for command in (["run"], ["maintenance"]):
        done = gitexp(read_only, *command)
        assert done.code == 3, (command, done.out, done.err)
        assert done.says("error[read-only]")
    assert (read_only.refs(), read_only.status()) == before


def test_branches_that_differ_in_case_or_normal_form_are_all_listed(repo: BuiltRepo) -> None:
    base = repo.commit(config_file())
    names = ["exp/A", "exp/a", "exp/\u00e9", "exp/e\u0301"]
    # Packed: on a disk that folds case they could not lie beside each other as files.
    lines = "".join(sorted(f"{base} refs/heads/{name}\n" for name in [*names, "main"]))
    repo.write({".git/packed-refs": f"# pack-refs with: peeled fully-peeled \n{lines}"})
    (repo.path / ".git/refs/heads/main").unlink()
    done = gitexp(repo, "list", "--json")
    assert done.code == 0, done.err
    experiments = done.json["experiments"]
    assert isinstance(experiments, list)
    assert {item["branch"] for item in experiments} == set(names)


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"},
    ],
    ids=["c", "ascii", "latin-1"],
)
def test_names_beyond_the_locale_are_shown_and_end_nothing(
    repo: BuiltRepo, env: dict[str, str]
) -> None:
    base = repo.commit(config_file())
    repo.commit(plan_file(a_plan("caf\u00e9-\u65e5", base, branch="main")))
    raw = os.fsencode(repo.path) + b"/\xff.csv"
    Path(os.fsdecode(raw)).write_text("1\n")
    repo.git("add", "--all")
    repo.commit(at=2)
    for command in ("list", "status", "doctor"):
        done = gitexp(repo, command, env=env)
        assert done.code == 0, (command, done.err)
    assert "caf" in gitexp(repo, "show", "main", env=env).out


def test_two_thousand_branches_are_listed_and_the_index_may_go(repo: BuiltRepo) -> None:
    base = repo.commit(config_file())
    tip = repo.commit(plan_file(a_plan("b7", base)), at=2)
    lines = "".join(f"create refs/heads/exp/b{number} {tip}\n" for number in range(2000))
    repo.git("update-ref", "--stdin", data=lines.encode())
    listed = list_experiments(repo.workspace)
    assert len(listed.experiments) == 2000
    assert [item.branch for item in listed.experiments if item.name == "b7"] == ["exp/b7"]
    assert list_experiments(repo.workspace) == listed
    index_file(repo.workspace).unlink()
    assert list_experiments(repo.workspace) == listed


def branched(repo: BuiltRepo, base: str, kind: str, numbers: range) -> None:
    """Add branches of experiments, of experiments on others, of none, and renamed ones."""
    said = b""
    for number in numbers:
        named = {"stacked": "b7", "orphaned": "gone"}.get(kind, f"b{number}")
        files = {"a": b"1"} if kind == "unplanned" else plan_file(a_plan(named, base))
        said += f"commit refs/heads/exp/b{number}\ncommitter A <a@b> 1700000000 +0000\n".encode()
        said += f"data 1\na\nfrom {base}\n".encode()
        for path, data in files.items():
            said += f"M 644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
    repo.git("fast-import", "--quiet", data=said)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", ["planned", "stacked", "unplanned", "orphaned"])
def test_an_answer_takes_calls_in_proportion_to_the_branches(repo: BuiltRepo, kind: str) -> None:
    base = repo.commit(config_file())
    calls: dict[str, list[int]] = {}
    for numbers in (range(40), range(40, 160)):
        branched(repo, base, kind, numbers)
        for verb in ("list", "status", "doctor", "check", "show"):
            index_file(repo.workspace).unlink(missing_ok=True)
            asked = ["-C", str(repo.path), verb, *(["main"] if verb == "show" else [])]
            codes: list[int] = []
            count = cost(lambda: codes.append(dispatch(asked)))[0]  # noqa: B023  called at once
            assert codes[0] in {0, 1}
            calls.setdefault(verb, []).append(count)
    assert all(after < 5.5 * before for before, after in calls.values()), calls


def test_where_nothing_can_be_linked_outputs_are_copied(tmp_path: Path) -> None:
    other, here = tmp_path / "other", tmp_path / "here"
    other.mkdir()
    here.mkdir()
    mounted("-t", "tmpfs", "-o", "size=3m", "tmpfs", other)  # no link leads out of a file system
    try:
        config = CacheConfig(other / "cache", ("reflink", "hardlink", "copy"))
        (here / "data").write_text("1,2\n")
        stored = cache.put(config, here, "data")
        placed = placement.materialise(config, stored, here, "again")
        assert placed == {"copy"}
        assert (here / "again").read_text() == "1,2\n"
    finally:
        subprocess.run(["umount", "-l", other], check=True)
