"""Hostile names, metrics, plans, files and prose through every verb, hook and format: none acts.

A verb, hook or format that is added and not driven here fails the first tests.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli import hook, review
from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import dispatch
from gitexp.cli.upkeep import SHELLS
from gitexp.model.job import StageOut
from gitexp.report import RENDERERS
from tests.lab.build import BuiltRepo, clone, git_environment
from tests.lab.fakegithub import REPOSITORY, FakeGitHub
from tests.lab.jobs import bench, stage
from tests.lab.records import CONFIG, Lab

if TYPE_CHECKING:
    from collections.abc import Iterable

ACTS: Final = "\x1b]52;c;aGFjaw==\x07\x1b[31m\x9b31m\u202e\u200b\r|<img src=x>`id`@octocat"
LINES: Final = (
    "\n\nSigned-off-by: Eve <e@x>\nReviewed-by: Eve <e@x>\nGitexp-Run: aaaaaaaaaaaaaaaa"
    "\n  next      curl evil\nerror[evil]: x"
)
LINES_TOO: Final = "\n::error::x\n## x"
METRIC: Final = f"f1{ACTS}{LINES}"
FILE: Final = f"=cmd{ACTS}".replace("/", "") + LINES  # Git takes every byte but NUL and /
NAME: Final = "exp/`id`<img/src=x>|$(id)\u202e\u0085"
KEY: Final = "AKIA" + "IOSFODNN7EXAMPLQ"
SEEDS: Final = range(6)
TRAIN: Final = f"""import json, random, sys
print({ACTS + LINES + LINES_TOO!r})
sys.stdout.reconfigure(errors="replace")
json.dump({{{METRIC!r}: 0.6 + random.random() / 9}}, open("metrics.json", "w"))
sys.exit("depth" not in open("params.yaml").read())
"""

# What each verb is asked, in the words of its user; each as text, as JSON, and in each format.
LOOK: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "list": ((), ("--runs",), ("--runs", "--group-by", "params"), ("--archived",)),
    "status": ((),),
    "show": ((), ("deep",), ("c",)),
    "diff": (("main", "HEAD"), ("main", NAME)),
    "inputs": (("main", "HEAD"),),
    "logs": ((),),
    "power": ((), ("deep",)),
    "compare": ((), ("main", "HEAD"), ("main", NAME)),
    "test": (("../a.csv", "../b.csv", "--design", "paired"), ("../a.csv", FILE)),
    "check": ((), ("main..HEAD",), (f"main..{NAME}",)),
    "review": (("main...HEAD",), (f"main...{NAME}",)),
    "init": (("--dry-run",), ("--dry-run", "--project", FILE)),
    "new": (("n1", "--from", "../plan.yaml", "--dry-run"), ("n2", "--from", FILE)),
    "completion": tuple((shell,) for shell in SHELLS),
    "doctor": ((),),
    "maintenance": (("--dry-run",),),
    "run": (("--dry-run",), ("--at", "HEAD", "--dry-run")),
    "conclude": (("-m", f"x{ACTS}", "--dry-run"),),
    "amend-plan": (("--why", "x", "--effect", ">=6%", "--dry-run"),),
    "archive": (("deep", "--push"),),
    "rm": (("deep",), ("c",)),
    "rename": (("deep", FILE), ("c", "other")),
    "witness": (("deep", "--push"),),
    "hooks": (("status",),),
    "restore": (("deep",), (FILE,)),
}
DO: Final[tuple[tuple[str, ...], ...]] = (
    *(("run", "--seeds", "0"), ("logs",), ("conclude", "-m", "x"), ("show",), ("list",)),
    *(("conclude", "--amend", "-m", "y"), ("amend-plan", "--why", "x", "--effect", ">=6%")),
    *(("push",), ("pull",), ("sync",), ("rename", "deep", "other")),
)
END: Final[tuple[tuple[str, ...], ...]] = (  # on main
    *(("archive", "other", "--abandon"), ("list", "--archived"), ("restore", "other")),
    *(("rm", "other", "--yes"), ("doctor", "--fix"), ("maintenance",), ("hooks", "install")),
    ("init", "--command", "python x.py", "--metrics", "m.json", "--outs", f"o{FILE}", "--dvc-init"),
)
BY_TESTS_BELOW: Final = {"hook", "comment", "merge-driver", "worker"}
REFUSES: Final = {"archive", "rm", "rename", "restore", "witness"}  # what is as it was again
ANSWERED: Final = frozenset({0, 1, 5, 6})


def forms(verb: str) -> list[tuple[str, ...]]:
    """Return the options by which a verb's answer takes another form, as its parser has them."""
    command = next(each for each in COMMANDS if each.name == verb)
    parser = argparse.ArgumentParser()
    command.load()[0](parser)
    found: list[tuple[str, ...]] = [(), ("--json",), ("--quiet",), ("--verbose",)]
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to ask
        if action.dest == "format":
            found += [("--format", str(word)) for word in action.choices or ()]
        elif action.dest in {*RENDERERS, *review.FORMATS}:
            found.append((action.option_strings[0],))
    return found


def test_the_table_has_every_verb_and_the_parsers_every_format() -> None:
    assert {*LOOK, *(argv[0] for argv in (*DO, *END)), *BY_TESTS_BELOW} == {
        each.name for each in COMMANDS
    }
    assert {word for _, word in forms("review")[4:]} == set(review.FORMATS)
    assert {word for _, word in forms("compare")[4:]} == set(RENDERERS)
    assert forms("list")[4:] == [("--csv",), ("--md",)]


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """A finished experiment, checked out, each of whose free texts is hostile."""
    folder = tmp_path_factory.mktemp("evil")
    repo = BuiltRepo(folder / "p")
    repo.path.mkdir()
    repo.git("init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "Victim"), ("user.email", "victim@example.org")):
        repo.git("config", key, value)
    lab = Lab(repo)
    params = json.dumps({f"k{ACTS}{LINES}": f"v{ACTS}{LINES}"})
    lab.init(CONFIG, {"train.py": TRAIN, FILE: "x", "more.json": params})
    plan = lab.plan(metric=METRIC, hypothesis=f"A deeper model is better.{ACTS}{LINES}", repeats=6)
    lab.change()
    repo.commit({FILE: "y"}, message=f"a change{ACTS}\n{LINES}{LINES_TOO}")
    for letter, of, base in (("b", "main", 0.6), ("c", "HEAD", 0.8)):
        values = {METRIC: {seed: base + seed / 100 for seed in SEEDS}}
        lab.record(letter, values, of=of, plan=plan, failed=(6,))
    repo.git("switch", "-q", "--detach")
    repo.commit({f"{FILE}.dvc": json.dumps({"outs": [{"md5": "0" * 32, "path": f"o{FILE}"}]})})
    repo.git("update-ref", f"refs/heads/{NAME}", "HEAD")
    repo.switch("exp/deep")
    clone(repo, folder / "hub.git", "--bare")
    repo.git("remote", "add", "origin", str(folder / "hub.git"))
    repo.git("fetch", "-q", "origin")
    for name, at in (("a", 0.1), ("b", 0.2)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            rows = [["seed", METRIC], *([seed, at + seed / 7 + at * seed] for seed in SEEDS)]
            csv.writer(file).writerows(rows)
    (folder / "plan.yaml").write_text(json.dumps({"hypothesis": f"x{ACTS}{LINES} is better",
                                                  "metric": METRIC, "direction": "max",
                                                  "effect": ">0"}))  # fmt: skip
    return repo


def cloned(evil: BuiltRepo, folder: Path) -> tuple[BuiltRepo, BuiltRepo]:
    """Make a clone on exp/deep, and the bare repository that it is of."""
    hub = clone(evil, folder / "hub.git", "--bare")
    mine = clone(hub, folder / "mine", "--branch", "exp/deep")
    mine.git("branch", "main", "origin/main")
    return mine, hub


def harmless(text: str, why: object, form: Iterable[str] = ()) -> None:
    """Fail where a text acts on who shows it in that form."""
    assert all(c.isprintable() or c in "\n\t" for c in text), why
    assert not re.search(
        r"^(\S*: )?(Signed-off-by|Reviewed-by|Gitexp-Run: aa)", text, re.MULTILINE
    ), why
    for step in re.findall(r"^ *next:? +(.*(?:\n {12}.*)*)", text, re.MULTILINE):
        assert not set("`$<|") & set(re.sub(r"'[^']*'", "", step)), why  # typed into a shell
    (word,) = [part.strip("-") for part in form if part != "--format"] or ["text"]
    match word:
        case "json" if text:
            json.loads(text)
        case "html":
            assert "<img src=x" not in text, why
        case "md" | "summary":
            bare = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
            assert not re.search(r"<img|@octocat|^## x", bare, re.MULTILINE), why
        case "annotations":
            assert all(re.match(r"::(error|warning|notice) ", line) for line in text.split("\n")
                       if line), why  # fmt: skip
        case "csv":
            cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
            assert not any(re.match(r"[=+@\t\r]|-(?!\d)\S", cell) for cell in cells), why


def driven(
    repo: BuiltRepo, calls: Iterable[tuple[str, ...]], capfd: pytest.CaptureFixture[str]
) -> list[str]:
    """Ask; return what was said where there was no answer."""
    refused = []
    for argv in calls:
        code = dispatch(["-C", str(repo.path), *argv])
        said = capfd.readouterr()
        assert code in range(7), (argv, code, said.err)
        form = [part for part in argv if part in {"--json", "--csv", "--md"}]
        form = [argv[argv.index("--format") + 1]] if "--format" in argv else form
        if argv[0] != "completion":  # a script for the shell, of nobody else's words
            harmless(said.out, argv, form if code in ANSWERED else ())
        harmless(said.err, argv)
        assert not re.search(r"^(  next +curl|error\[evil)", said.err, re.MULTILINE), argv
        if code not in ANSWERED:
            refused.append(f"{argv}: {said.err or said.out}")
    return refused


@pytest.mark.slow
@pytest.mark.sweep(13)
@pytest.mark.parametrize("verb", LOOK)
def test_no_answer_acts_in_any_form(
    evil: BuiltRepo, verb: str, capfd: pytest.CaptureFixture[str]
) -> None:
    first, *others = LOOK[verb]
    calls = [(verb, *first, *form) for form in forms(verb)]
    calls += [(verb, *words, *form) for words in others for form in ((), ("--json",))]
    refused = driven(evil, calls, capfd)
    assert len(refused) <= len(calls) // 2 or verb in REFUSES, refused  # the control
    assert not os.path.lexists(evil.path / "id")


@pytest.mark.slow
def test_no_commit_carries_lines_of_a_branch(
    evil: BuiltRepo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mine, _ = cloned(evil, tmp_path)
    before = set(mine.git("rev-list", "--all").split())
    assert driven(mine, DO, capfd) == []  # the control
    mine.switch("main")
    assert driven(mine, END, capfd) == []
    made = set(mine.git("rev-list", "--all").split()) - before
    assert len(made) >= 3  # verbs did something
    for commit in made:
        harmless(mine.git("log", "-1", "--format=%B", commit), commit)
        assert "Eve" not in mine.git("log", "-1", "--format=%(trailers)", commit)
    assert not os.path.lexists(mine.path / "id")


@pytest.mark.slow
def test_no_hook_acts_or_puts_a_line_of_a_branch_into_a_message(
    evil: BuiltRepo, tmp_path: Path
) -> None:
    mine, hub = cloned(evil, tmp_path)
    names = sorted(path.name for path in (Path(__file__).parents[2] / "hooks").iterdir())
    assert names == sorted(hook.PLACES)
    ran = tmp_path / "ran"
    for repo, folder in ((mine, mine.path / ".git"), (hub, hub.path)):
        for name in names:  # what was there before goes on being called: it says that Git called
            file = folder / "hooks" / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"#!/bin/sh\necho {name} >> '{ran}'\n")
            file.chmod(0o755)
        assert dispatch(["-C", str(repo.path), "hooks", "install"]) == 0
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\n{ echo subject; cat "$1"; } > "$1.new" && mv "$1.new" "$1"\n')
    editor.chmod(0o755)
    said, refused = [], 0

    def git(*argv: str) -> None:
        nonlocal refused
        done = subprocess.run(
            ["git", "-c", f"core.editor={editor}", "-c", "advice.detachedHead=false", *argv],
            cwd=mine.path, env=git_environment(), capture_output=True, check=False,
        )  # fmt: skip
        refused += done.returncode != 0
        text = done.stderr.decode()
        said.append(text)
        harmless(text, argv)

    mine.write({"note.txt": "x", FILE: "z"})
    git("commit", "-q", "-a")
    message = mine.git("log", "-1", "--format=%B")
    assert "Experiment: deep" in message  # the control
    assert "Hypothesis: A deeper model is better." in message
    trailers = mine.git("log", "-1", "--format=%(trailers:keyonly)").split()
    assert set(trailers) == {"Experiment", "Hypothesis", "Metric"}
    harmless(message, "message")
    git("push", "-q", "origin", "exp/deep")
    git("checkout", "-q", "-b", "topic", "main")
    mine.commit({"other.txt": "x"})
    git("checkout", "-q", "exp/deep")
    git("merge", "-q", "--no-edit", "topic")
    assert refused == 0, said
    mine.write({FILE: KEY, f"{FILE}.dvc": "<<<<<<<"})
    samples = next(path for path in mine.files() if path.endswith("samples.csv"))
    mine.write({samples: "x"})
    git("commit", "-q", "-a")
    git("commit", "-q", "-a", "--no-verify", "-m", f"x{ACTS}{LINES}")
    git("push", "-q", "origin", "exp/deep")
    git("push", "-q", "--no-verify", "origin", "exp/deep")
    assert refused == 3, said
    assert set(ran.read_text().split()) == set(names)
    assert not os.path.lexists(mine.path / "id")


@pytest.mark.network
def test_a_comment_acts_on_nobody(
    evil: BuiltRepo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = tmp_path / "review.json"
    argv = ["review", "main...HEAD", "--branch", f"b{ACTS}", "--format", "json", "-o", str(made)]
    assert dispatch(["-C", str(evil.path), *argv]) in {0, 1}
    name = {"full_name": REPOSITORY}
    head = {"sha": evil.hash(), "label": "octo:exp/deep", "repo": name}
    event = {"repository": name, "pull_request": {"number": 7, "head": head}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    for fake in FakeGitHub(evil.hash()).serve():
        for key, value in (("EVENT_PATH", str(tmp_path / "event.json")), ("TOKEN", "x"),
                           ("REPOSITORY", REPOSITORY), ("API_URL", fake.url)):  # fmt: skip
            monkeypatch.setenv(f"GITHUB_{key}", value)
        assert driven(evil, [("comment", "--from", str(made))], capfd) == []
        (body,) = (str(each["body"]) for each in fake.comments)
        harmless(body, "comment", ["md"])
    calls = [("review", "--from", str(made), "--format", form) for form in review.FORMATS]
    assert driven(evil, calls, capfd) == []


def test_plumbing_acts_on_nobody(
    evil: BuiltRepo, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = json.dumps({"schema": "2.0", "stages": {METRIC: {"cmd": ACTS}}})
    for at, name in enumerate(("base", "ours", "theirs")):
        (tmp_path / name).write_text(lock.replace("]52", f"]5{at}"))
    files = [str(tmp_path / name) for name in ("base", "ours", "theirs")]
    calls = [("merge-driver", *files, path) for path in ("dvc.lock", FILE, f"{FILE}.dvc")]
    assert driven(evil, calls, capfd) == []
    mine = clone(evil, tmp_path / "mine")
    place = bench(mine, tmp_path)
    failing = stage(f"printf '%s' '{ACTS}{LINES}'; exit 3", name=METRIC, outs=(StageOut(FILE),))
    job = place.job(failing, metrics=(FILE,), keep=(FILE,))
    assert dispatch(["worker", str(place.write(job)), str(place.out())]) in range(7)
    said = capfd.readouterr()
    harmless(said.out, "worker")
    harmless(said.err, "worker")
    broken = tmp_path / f"{FILE[:40]}"
    broken.write_text(lock)
    driven(evil, [("worker", str(broken), str(tmp_path / FILE[:40]))], capfd)
