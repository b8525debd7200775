"""State that a branch or a given folder plants: believed for nothing, never followed outside."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import signal
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli import main
from gitexp.cli.dispatch import dispatch
from gitexp.execution import slots
from gitexp.model.job import LinkedPath
from gitexp.store.calls import FOLDERS
from tests.execution.test_run import plain
from tests.lab.build import BuiltRepo, clone
from tests.upkeep.test_doctor import gitexp

if TYPE_CHECKING:
    from pathlib import Path

RUN: Final = "abcdefghijklmnop"
TMP: Final = ".gitexp/tmp"  # a branch brings it
WORK: Final = ".git/gitexp/work"  # whoever gives a folder brings it
# Every place that gitexp reads beside Git's objects, and may find planted.
READ: Final = (
    f"{WORK}/environments/*",
    f"{WORK}/runs/*/owner",
    f"{WORK}/runs/*/state.json",
    f"{WORK}/runs/*/jobs/*/JOB.json",
    f"{WORK}/runs/*/jobs/*/attempt-1/*",
    f"{WORK}/worktrees/*",
    ".git/gitexp/calls/*",
    ".git/gitexp/linked/*",
    ".git/gitexp/[!w]*",
)
LINKED: Final = (
    ".gitexp",
    TMP,
    f"{TMP}/publish-0123456789abcdef",
    WORK,
    *(f"{WORK}/{name}" for name in FOLDERS),
    f"{WORK}/runs/{RUN}",
    f"{WORK}/runs/{RUN}/owner",
    f"{WORK}/runs/{RUN}/state.json",
    f"{WORK}/runs/{RUN}/jobs",
    f"{WORK}/runs/{RUN}/jobs/0/attempt-1",
    f"{WORK}/runs/{RUN}/jobs/0/attempt-1/files",
    f"{WORK}/worktrees/{RUN}-0",
)
VERBS: Final = (
    ("status",),
    ("list", "--runs"),
    ("logs",),
    ("doctor", "--fix"),
    ("run", "--resume"),
    ("maintenance",),
)


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """A project whose coordinator was killed when its two repeats had finished."""
    repo = plain(tmp_path_factory.mktemp("dead") / "now/r")
    armed = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": "publish.blobs:kill"}
    assert gitexp(repo, "run", "--repeats", "2", env=armed).code == -signal.SIGKILL
    shutil.copytree(repo.path.parent, repo.path.parent.with_name("saved"), symlinks=True)
    return repo


@pytest.fixture
def killed_run(dead: BuiltRepo) -> BuiltRepo:
    """The same, to be changed; where its call began, since a copy proves nothing."""
    shutil.rmtree(dead.path.parent)
    shutil.copytree(dead.path.parent.with_name("saved"), dead.path.parent, symlinks=True)
    return dead


def seen(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


def drive(repo: BuiltRepo) -> None:
    for argv in VERBS:
        assert dispatch(["-C", str(repo.path), *argv]) in range(7), argv


def outside(repo: BuiltRepo) -> Path:
    """Return a folder that has whatever a link could make gitexp read, record or remove."""
    folder = repo.path.parent / "documents"
    source = repo.path / WORK
    for below in (
        "",
        "tmp",
        "runs",
        f"runs/{RUN}",
        "my-thesis",
        f"{RUN}-0",
        "publish-0123456789abcdef",
    ):
        (folder / below).mkdir(parents=True, exist_ok=True)
        (folder / below / "text.tex").write_text("precious")
    for run in source.glob("runs/*"):
        for place in (folder / RUN, folder / "runs" / RUN, folder / "tmp/runs" / RUN):
            shutil.copytree(run, place, dirs_exist_ok=True)
        shutil.copytree(run / "jobs", folder, dirs_exist_ok=True)
        for name in ("owner", "state.json"):
            shutil.copy(run / name, folder / name)
    (folder / "tmp/worktrees/my-thesis").mkdir(parents=True)
    (folder / "0/attempt-1/cache").mkdir(parents=True, exist_ok=True)
    return folder


def victim(killed: BuiltRepo, folder: Path) -> BuiltRepo:
    """Return a clone that never ran anything, by the same person on the same host."""
    return clone(killed, folder / "victim")


def test_the_table_names_every_file_that_a_call_leaves(killed_run: BuiltRepo) -> None:
    left = [
        str(path.relative_to(killed_run.path))
        for base in (TMP, ".git/gitexp")
        for path in (killed_run.path / base).rglob("*")
        if path.is_file()
    ]
    assert len(left) > len(READ)
    unknown = [path for path in left if not any(fnmatch.fnmatch(path, each) for each in READ)]
    assert unknown == []


@pytest.mark.parametrize(
    "place",
    [
        place if at % 4 == 0 else pytest.param(place, marks=pytest.mark.slow)
        for at, place in enumerate(LINKED)
    ],
)
def test_nothing_is_followed_removed_or_recorded_behind_a_planted_link(
    killed_run: BuiltRepo, tmp_path: Path, place: str
) -> None:
    mine = victim(killed_run, tmp_path)
    folder = outside(killed_run)
    path = mine.path / place
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    target = folder / path.name if path.name in {"owner", "state.json"} else folder
    path.symlink_to(os.path.relpath(target, path.parent))
    mine.git("add", "-A", "-f")
    mine.git("commit", "-q", "--allow-empty", "-m", "tidy")
    before, refs = seen(folder), mine.refs()
    drive(mine)
    assert seen(folder) == before
    assert mine.refs() == refs


def planted(
    killed: BuiltRepo, mine: BuiltRepo, run: str, place: str = WORK, *, secret: object = None
) -> None:
    (source,) = (killed.path / WORK / "runs").iterdir()
    target = mine.path / place / "runs" / run
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("cache"))
    state = json.loads((target / "state.json").read_text())
    state["draft"] |= {"id": run, "call": run}
    state.pop("secret", None)
    if secret is not None:
        state["secret"] = secret
    (target / "state.json").write_text(json.dumps(state))
    for job in target.glob("jobs/*/JOB.json"):
        job.write_text(json.dumps(json.loads(job.read_text()) | {"run": run}))
    mine.git("add", "-A", "-f")
    mine.git("commit", "-q", "--allow-empty", "-m", "tidy")


@pytest.mark.parametrize("place", [TMP, WORK])
@pytest.mark.parametrize("secret", [None, "0" * 32])
def test_a_planted_dead_call_is_not_recorded(
    killed_run: BuiltRepo, tmp_path: Path, secret: object, place: str
) -> None:
    mine = victim(killed_run, tmp_path)
    planted(killed_run, mine, RUN, place, secret=secret)
    refs = mine.refs()
    drive(mine)
    assert mine.refs() == refs
    assert mine.status() == []


def test_a_planted_call_in_the_name_of_ones_own_is_not_recorded_either(
    killed_run: BuiltRepo, tmp_path: Path
) -> None:
    mine = victim(killed_run, tmp_path)
    calls = mine.path / ".git/gitexp/calls"
    calls.mkdir(parents=True)
    (calls / RUN).write_text("f" * 32)  # a call of the victim's, whose id is in a record
    planted(killed_run, mine, RUN, secret="0" * 32)
    refs = mine.refs()
    drive(mine)
    assert mine.refs() == refs


def test_ones_own_dead_call_is_recorded_and_has_a_secret_that_only_git_holds(
    killed_run: BuiltRepo,
) -> None:
    (run,) = (killed_run.path / WORK / "runs").iterdir()
    proof = killed_run.path / ".git/gitexp/calls" / run.name
    assert re.fullmatch(r"[0-9a-f]{32} [0-9a-f]{32}", proof.read_text())
    assert proof.stat().st_mode & 0o777 == 0o600
    before = killed_run.hash()
    assert dispatch(["-C", str(killed_run.path), "doctor", "--fix"]) == 0
    assert killed_run.hash() != before
    assert any(path.endswith("run.json") for path in killed_run.files())


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("metrics.json", "../../../../../../../../key"),
        ("metrics.json", "files/../../x"),
        ("metrics.json", "/etc/hostname"),
        (".github/workflows/x.yml", "files/.github/workflows/x.yml"),
        (".gitexp/config.yaml", "files/.gitexp/config.yaml"),
        (".git/hooks/x", "files/.git/hooks/x"),
    ],
)
def test_an_outcome_gives_no_file_but_those_that_its_job_keeps(
    killed_run: BuiltRepo, path: str, file: str
) -> None:
    for outcome in (killed_run.path / WORK).glob("runs/*/jobs/*/attempt-1/outcome.json"):
        said = json.loads(outcome.read_text())
        said["kept"] = [{"path": path, "file": file, "executable": False}]
        outcome.write_text(json.dumps(said))
        (outcome.parent / "files/.github/workflows").mkdir(parents=True, exist_ok=True)
        (outcome.parent / "files/.github/workflows/x.yml").write_text("on: push\n")
    before = killed_run.hash()
    assert dispatch(["-C", str(killed_run.path), "doctor", "--fix"]) != 0
    assert killed_run.hash() == before


def test_a_link_in_place_of_a_kept_file_is_not_read(killed_run: BuiltRepo, tmp_path: Path) -> None:
    (tmp_path / "key").write_text('{"acc": 1}')
    for file in (killed_run.path / WORK).glob("runs/*/jobs/*/attempt-1/files/metrics.json"):
        file.unlink()
        file.symlink_to(tmp_path / "key")
    before = killed_run.hash()
    assert dispatch(["-C", str(killed_run.path), "doctor", "--fix"]) != 0
    assert killed_run.hash() == before


# --- a folder that somebody gives -----------------------------------------------------------------

READING: Final = (("status",), ("show",), ("list",), ("list", "--runs"), ("logs",), ("check",))


def told(repo: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> list[tuple[int, str, str]]:
    """Return the answers of every verb that reads, twice: the second time they may be kept."""
    found = []
    for argv in (*READING, *READING):
        code = main.main(["-C", str(repo.path), *argv])  # which keeps answers
        said = capsys.readouterr()
        found.append((code, said.out, said.err))
    return found


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\0{[" * 9)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 33)


def deep(path: Path) -> None:
    path.write_text("[" * 200_000)


PLANTS: Final = {each.__name__: each for each in (garbage, huge, deep)}
STATE: Final = (
    *("index.sqlite", "answers", "answers/0", "calls", f"calls/{RUN}", "locks", "judged"),
    f"locks/publish-{'0' * 16}.json",
)


@pytest.mark.parametrize("kind", PLANTS)
def test_state_of_a_given_folder_changes_no_answer(
    killed_run: BuiltRepo, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = victim(killed_run, tmp_path)
    honest = told(mine, capsys)
    for place in STATE:
        shutil.rmtree(mine.path / ".git/gitexp", ignore_errors=True)
        path = mine.path / ".git/gitexp" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        PLANTS[kind](path)
        now = told(mine, capsys)
        assert [pair for pair in zip(now, honest, strict=True) if pair[0] != pair[1]] == [], place


def test_a_dead_call_of_another_user_is_not_recorded(
    killed_run: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives a folder puts the secret of a call into its Git directory as well."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    refs = killed_run.refs()
    assert dispatch(["-C", str(killed_run.path), "doctor", "--fix"]) in range(7)
    assert killed_run.refs() == refs


# --- a folder of a friend, who once had a copy of one's own ---------------------------------------


@pytest.mark.parametrize("elsewhere", [True, False])
def test_the_secret_of_a_call_proves_nothing_in_another_place(
    killed_run: BuiltRepo, tmp_path: Path, *, elsewhere: bool
) -> None:
    """Outcomes with numbers of his, beside a secret that was sealed in the folder he copied."""
    theirs = tmp_path / "given" if elsewhere else killed_run.path
    killed_run.path.rename(theirs)
    given = BuiltRepo(theirs)
    before = given.hash()
    said = gitexp(given, "doctor", "--fix")
    assert (given.hash() == before) == elsewhere
    assert ("did not begin that call" in said.out) == elsewhere


@pytest.mark.parametrize("told", ["as it was", "another place", "another run", "no seal"])
def test_linked_files_go_back_where_their_own_call_said(
    killed_run: BuiltRepo, tmp_path: Path, told: str
) -> None:
    (run,) = (killed_run.path / WORK / "runs").iterdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x").write_text("as it was")
    link = LinkedPath("data", str(tmp_path / "data"))
    kept = slots.linked(killed_run.workspace.common_dir, run.name)
    slots.keep_linked(kept, [link])
    (tmp_path / "data/x").write_text("changed by a repeat")
    (tmp_path / ".bashrc").write_text("mine")
    places = json.loads((kept / "places.json").read_text())
    if told == "another place":
        places["places"] = {"data/x": str(tmp_path / ".bashrc")}
    elif told == "another run":
        slots.keep_linked(kept.with_name("other"), [link])
        places = json.loads((kept.with_name("other") / "places.json").read_text())
    elif told == "no seal":
        del places["seal"]
    (kept / "places.json").write_text(json.dumps(places))
    done = gitexp(killed_run, "doctor", "--fix")
    assert (tmp_path / ".bashrc").read_text() == "mine"
    whole = (tmp_path / "data/x").read_text() == "as it was"
    assert whole == (told == "as it was"), done
    assert ("none is put back" in done.out) != whole
    assert kept.exists() != whole
