"""How the command line speaks: streams, colours, encodings, errors, bugs, closed pipes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.commands import COMMANDS
from tests.lab.shell import PLAN, environment, gitexp

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def test_an_unknown_command_is_answered_with_a_near_name(tmp_path: Path) -> None:
    for typed, meant in (("lsit", "list"), ("statsu", "status"), ("comapre", "compare")):
        done = gitexp(tmp_path, typed)
        assert done.code == 2
        assert done.out == ""
        assert done.says("error[usage]", typed, f"gitexp {meant} --help")
    far = gitexp(tmp_path, "frobnicate")
    assert far.says("next      gitexp --help")


def test_an_unknown_option_points_to_the_help_of_its_command(tmp_path: Path) -> None:
    done = gitexp(tmp_path, "list", "--frobnicate")
    assert done.code == 2
    assert done.says("--frobnicate", "next      gitexp list --help")
    half = gitexp(tmp_path, "list", "--ru")  # an abbreviation may mean another option tomorrow
    assert half.code == 2
    assert half.says("unrecognized", "--ru", "expected  --runs")
    assert gitexp(tmp_path, "run", "--repeat=3").says("expected  --repeats")
    assert "expected" not in done.err


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_has_help(name: str, tmp_path: Path) -> None:
    done = gitexp(tmp_path, "help", name)
    assert done.code == 0
    assert done.out.startswith(f"usage: gitexp {name}")


def test_help_names_every_command_and_asking_twice_says_the_same(tmp_path: Path) -> None:
    overview = gitexp(tmp_path, "--help")
    assert all(command.name in overview.out for command in COMMANDS if not command.hidden)
    assert "worker" not in overview.out
    assert "6 cannot say" in overview.out  # who installed the package has no docs/
    assert gitexp(tmp_path, "list", "--help").out == gitexp(tmp_path, "help", "list").out
    assert gitexp(tmp_path, "help", "frobnicate").code == 2
    assert gitexp(tmp_path).out == overview.out


def test_an_error_is_json_where_json_was_asked_for(tmp_path: Path, project: BuiltRepo) -> None:
    done = gitexp(project, "show", "nope", "--json")
    assert done.code == 3
    assert done.err == ""
    assert done.json["$schema"] == "gitexp/error@1"
    assert done.json["id"] == "unknown-experiment"
    assert done.json["exit_code"] == 3
    assert {"summary", "found", "expected", "next"} <= done.json.keys()
    usage = gitexp(tmp_path, "list", "--json", "--frobnicate")
    assert usage.code == 2
    assert usage.json["id"] == "usage"


@pytest.mark.parametrize("argv", ["status", "list --json", "help list", "list --help", "list --x"])
def test_a_reader_who_has_left_is_141_and_silence(project: BuiltRepo, argv: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "gitexp", *argv.split()],
        cwd=project.path,
        env=environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    if "--x" in argv:  # nothing was written to the pipe
        assert done.returncode == 2
    else:
        assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_stdout_is_said(project: BuiltRepo) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gitexp", "list", "--json"],
            cwd=project.path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 3
    assert b"error[output]: the answer cannot be written" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_terminal_that_cannot_show_a_letter_ends_nothing(project: BuiltRepo) -> None:
    project.git("switch", "--quiet", "--create", "exp/naïve-→")
    for env in ({"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "latin-1"}):
        for argv in (["list"], ["status"], ["list", "--json"], ["show", "exp/naïve-→"]):
            done = gitexp(project, *argv, env={"PYTHONCOERCECLOCALE": "0"} | env)
            assert done.code == 0, (env, argv, done.err)
            assert "Traceback" not in done.err


def test_colour_follows_the_option_then_no_color_then_the_terminal(experiment: BuiltRepo) -> None:
    plain = gitexp(experiment, "show")
    assert "\x1b" not in plain.out
    assert gitexp(experiment, "show", "--color", "always").out.startswith("\x1b[1;33m")
    asked = gitexp(experiment, "show", "--color", "always", env={"NO_COLOR": "1"})
    assert "\x1b" in asked.out
    assert "\x1b" in on_a_terminal(experiment, "show")
    assert "\x1b" not in on_a_terminal(experiment, "show", env={"NO_COLOR": "1"})
    assert "\x1b" not in on_a_terminal(experiment, "show", env={"TERM": "dumb"})
    assert "\x1b" not in on_a_terminal(experiment, "show", "--color=never")


def on_a_terminal(repo: BuiltRepo, *argv: str, env: dict[str, str] | None = None) -> str:
    """Run a command whose standard output is a terminal; return what it shows."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "gitexp", *argv],
        cwd=repo.path,
        env=environment({"TERM": "xterm"} | (env or {})),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how Linux says that the other side has closed
        pass
    os.close(ours)
    assert child.wait() == 0
    return shown.decode()


def test_quiet_leaves_the_answer(experiment: BuiltRepo) -> None:
    assert gitexp(experiment, "list", "-q").out == "faster\n"
    assert gitexp(experiment, "status", "-q").out.count("\n") == 1
    assert gitexp(experiment, "show", "-q").out.count("\n") == 1
    assert gitexp(experiment, "diff", "-q", "main", "HEAD").out == "DIFFERENT  1 parameter\n"


def test_a_bug_writes_a_log_and_prints_its_path(project: BuiltRepo, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pygit2.py").write_text("raise RuntimeError('not built for this machine')\n")
    before = project.refs()
    for argv in (["status"], ["new", "x", *PLAN]):
        env = {"PYTHONPATH": os.pathsep.join([str(broken), environment()["PYTHONPATH"]])}
        done = gitexp(project, *argv, env=env | {"TMPDIR": str(tmp_path)})
        assert done.code == 70, argv
        assert done.says("error[bug]", "not built for this machine")
        assert "Traceback" not in done.err
        (where,) = (line.split()[-1] for line in done.err.splitlines() if "where" in line)
        log = Path(where)
        assert log.parent == tmp_path
        text = log.read_text(encoding="utf-8")
        assert "Traceback" in text
        assert argv[0] in text
        log.unlink()
    assert project.refs() == before


def test_what_a_branch_says_never_acts_on_the_terminal(experiment: BuiltRepo) -> None:
    experiment.commit({"dvc.yaml": "stages:\n  'a\x1b[2J': {cmd: x}\n"})
    assert "\x1b" not in gitexp(experiment, "run").err
    done = gitexp(experiment, "show", "\x1b[31mred")
    assert "\x1b" not in done.out + done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_on_a_full_disk_stops_no_run(project: BuiltRepo) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gitexp", "run", "--seeds", "1,2"],
            cwd=project.path,
            stdout=subprocess.PIPE,
            stderr=full,
            env=environment(),
            check=False,
        )
    assert done.returncode == 0
    assert b"finished" in done.stdout
    assert b"2/2" in done.stdout
    assert project.status() == []


def test_a_reader_who_leaves_a_run_does_not_end_it(project: BuiltRepo) -> None:
    before = project.hash()
    process = subprocess.Popen(
        [sys.executable, "-m", "gitexp", "run", "--seeds", "1,2"],
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 141  # it could not say so, but:
    assert project.hash("HEAD~1") == before


def test_where_git_is_missing_every_command_says_so(project: BuiltRepo, tmp_path: Path) -> None:
    for command in ("run", "status", "list", "show", "init"):
        done = gitexp(project, command, env={"PATH": str(tmp_path)})
        assert done.code == 3
        assert done.says("error[git-failed]: cannot start git", "put it on PATH")
