"""Every command that only looks, over hostile branches: an answer, nothing executed or written."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.execution.run import run
from gitexp.experiments.new import new
from gitexp.git.transaction import layout
from gitexp.model.plan import Direction, SeedOrigin
from gitexp.model.request import NewRequest, RunRequest
from gitexp.model.run import RepeatState
from tests.execution.test_run import plain, states
from tests.lab.build import git_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.build import BuiltRepo

ESCAPES = "\x1b]52;c;aGFjaw==\x07\x1b[31m|<img src=x>`id`\u202e"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)
TEXTS: dict[str, str | bytes] = {
    "bomb": BOMB,
    "deep": "[" * 5000 + "]" * 5000,
    "twins": "a: 1\na: 2\n",
    "tag": "!!python/object/apply:os.system ['touch CANARY/tag']\n",
    "empty": "",
    "bytes": b"\xff\xfe\x00\x01",
    "list": "- 1\n",
    "nan": "lr: .nan\nseed: 7\n",
    "infinite": "lr: 1e999\nseed: 7\n",
    "digits": f"lr: {'9' * 5000}\nseed: {'9' * 30}\n",
    "markers": "<<<<<<< HEAD\nlr: 1\n=======\nlr: 2\n>>>>>>> x\nseed: 7\n",
    "escapes": json.dumps({"lr": ESCAPES, "seed": 7}),
    "large": "x: " + "y" * 2_200_000,
}
PLACES = (
    "params.yaml",
    "dvc.yaml",
    "dvc.lock",
    "model.txt.dvc",
    "metrics.json",
    ".gitexp/config.yaml",
    "PLAN",
    "CONCLUSION",
    "RUN",
    "SAMPLES",
    "ENVIRONMENT",
)
NAMES = (b"$(touch${IFS}x)", b"`id`", b"<img/src=x>", b"a|b&c;d", b"\xff\xfe", "\u202efoo".encode())
LOOKS: tuple[tuple[str, ...], ...] = (
    ("show", "REF"),
    ("diff", "main", "REF"),
    ("inputs", "main", "REF"),
    ("compare", "main", "REF"),
    ("compare", "REF"),
    ("review", "main...REF"),
    ("review", "main...REF", "--json"),
    ("run", "--at", "REF", "--on", "REF", "--dry-run"),
)
LISTS: tuple[tuple[str, ...], ...] = (
    ("list",),
    ("list", "--json"),
    ("list", "--md"),
    ("list", "--csv"),
    ("list", "--runs"),
    ("list", "--runs", "--json"),
    ("list", "--group-by", "params"),
    ("status",),
    ("logs",),
)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """A project with one finished experiment, a canary beside it, and filters of the user's."""
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "canary"
    canary.mkdir()
    repo = plain(folder / "p")
    new(
        repo.workspace,
        NewRequest(
            name="a",
            hypothesis="a higher learning rate raises accuracy",
            metric="acc",
            direction=Direction.MAX,
            effect=">0",
            repeats=2,
            baseline="main",
            seeds=SeedOrigin.COMMITTED,
        ),
    )
    repo.switch("exp/a")
    repo.commit({"params.yaml": "lr: 0.2\nseed: 7\n"})
    done = run(repo.workspace, RunRequest(with_baseline=True))
    assert set(states(done)) == {RepeatState.FINISHED}
    repo.switch("main")
    for key in ("filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "diff.external"):
        repo.git("config", key, f"touch {canary}/{key}; cat")
    repo.git("config", "core.fsmonitor", f"touch {canary}/fsmonitor; false")
    return repo


def hostile(
    repo: BuiltRepo, name: str, files: Mapping[str, str | bytes], *, parent: str = "exp/a"
) -> None:
    """Make exp/NAME from exp/a with other files, touching neither work tree nor index.

    With the parent main its commit is the one that adds the records.
    """
    index = git_environment() | {"GIT_INDEX_FILE": str(repo.path / ".git" / "hostile-index")}

    def git(*argv: str) -> str:
        # Without the settings under test: the builder itself would obey them.
        fixed = ["git", "-c", "core.fsmonitor=false", *argv]
        return subprocess.check_output(fixed, cwd=repo.path, env=index, text=True).strip()

    git("read-tree", "exp/a")
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        blob = repo.write_object("blob", data)
        git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    commit = git("commit-tree", git("write-tree"), "-p", parent, "-m", ESCAPES)
    repo.git("update-ref", f"refs/heads/exp/{name}", commit)


def paths(repo: BuiltRepo, name: str) -> dict[str, str]:
    held = repo.files("exp/a")
    return {
        "PLAN": layout.plan_path(name),
        "CONCLUSION": layout.conclusion_path(name),
        "RUN": next(path for path in held if path.endswith("run.json")),
        "SAMPLES": next(path for path in held if path.endswith("samples.csv")),
        "ENVIRONMENT": next(path for path in held if path.endswith("environment.json")),
    }


def look(
    repo: BuiltRepo, argv: tuple[str, ...], capsys: pytest.CaptureFixture[str], ref: str = ""
) -> None:
    code = dispatch(["-C", str(repo.path), *(word.replace("REF", ref) for word in argv)])
    said = capsys.readouterr()
    assert 0 <= code <= 6, (argv, ref, code, said.err)
    for text in (said.out, said.err):
        assert all(char.isprintable() or char in "\n\t" for char in text), (argv, ref)


def check_untouched(repo: BuiltRepo, before: list[str]) -> None:
    assert list((repo.path.parent / "canary").iterdir()) == []
    assert sorted(path.name for path in repo.path.iterdir()) == before


@pytest.mark.sweep(7)
@pytest.mark.parametrize("word", TEXTS)
@pytest.mark.parametrize("place", PLACES)
def test_what_a_branch_holds_is_read_without_harm(
    attacked: BuiltRepo, place: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in attacked.path.iterdir())
    plan = attacked.show(layout.plan_path("a"), "exp/a")
    text = TEXTS[word]
    name = f"{place.strip('.').replace('/', '-').lower()}-{word}"
    data = text.replace("CANARY", "../canary") if isinstance(text, str) else text
    mine = plan.replace("name: a", f"name: {name}").replace("exp/a", f"exp/{name}")
    own: dict[str, str | bytes] = {layout.plan_path(name): mine}
    files: dict[str, str | bytes] = {paths(attacked, name).get(place, place): data}
    files[".gitattributes"] = "* filter=evil diff=evil\n"
    hostile(attacked, name, own | files)
    for argv in (*LOOKS, *LISTS):
        look(attacked, argv, capsys, f"exp/{name}")
    check_untouched(attacked, before)
    attacked.git("update-ref", "-d", f"refs/heads/exp/{name}")


def test_what_a_branch_is_called_is_shown_and_never_obeyed(
    attacked: BuiltRepo, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in attacked.path.iterdir())
    for name in NAMES:
        ref = os.fsdecode(b"exp/" + name)
        attacked.git("update-ref", f"refs/heads/{ref}", "exp/a")
        for argv in LOOKS:
            look(attacked, argv, capsys, ref)
    for _ in range(2):  # without and with the index
        for argv in LISTS:
            look(attacked, argv, capsys)
    check_untouched(attacked, before)


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("repeats", "1000000000"),
        ("repeats", "99999999999999999999999"),
        ("repeats", "-1"),
        ("alpha", ".nan"),
        ("alpha", "1e-320"),
        ("effect", '">=1e999"'),
        ("metric", json.dumps(ESCAPES)),
        ("hypothesis", json.dumps(ESCAPES * 50)),
        ("created_at", '"9999-12-31T23:59:59+14:00"'),
        ("created_at", '"0001-01-01T00:00:00Z"'),
        ("branch", '"-x"'),
        ("name", "../../x"),
        ("  commit", '"--output=f"'),
        ("  commit", f'"{"f" * 40}"'),
        ("evaluation", '["../../etc/passwd"]'),
    ],
)
def test_what_a_plan_says_is_checked(
    attacked: BuiltRepo, key: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in attacked.path.iterdir())
    text = attacked.show(layout.plan_path("a"), "exp/a").replace("name: a\n", "name: says\n")
    lines = [
        f"{key}: {value}" if line.startswith(f"{key}:") else line
        for line in text.replace("exp/a", "exp/says").splitlines()
    ]
    hostile(attacked, "says", {layout.plan_path("says"): "\n".join(lines) + "\n"})
    for argv in (*LOOKS, *LISTS):
        look(attacked, argv, capsys, "exp/says")
    check_untouched(attacked, before)


HEAD = "metric,seed,rep,fold,dataset,n_train,n_test,value\n"


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("started_at", "0001-01-01T00:00:00+14:00"),
        ("started_at", "9999-12-31T23:59:59-14:00"),
        ("params", [1]),
        ("params", {"lr": "\ud800"}),
        ("params", {"lr": [[[[[]]]]]}),
        ("repeats", {}),
        ("seeds", [10**30]),
        ("inputs", " " * 64),
        ("author", {"name": ESCAPES, "email": "\ud800"}),
        ("samples", HEAD + "acc,0,,,,,,1.7e308\nacc,1,,,,,,1.7e308\n"),
        ("samples", HEAD + "acc,0,,,,,,1e200\nacc,1,,,,,,-1e200\n"),
        ("samples", HEAD + "acc,0,0,0,,,,-1.7e308\nacc,0,0,1,,,,-1.7e308\n"),
        ("samples", HEAD + f"acc,{'9' * 19},,,,,,1\n"),
        ("samples", HEAD + f'"{ESCAPES}",0,,,"{ESCAPES}",,,1\n'),
        ("samples", HEAD + "acc,0,,,,,,1\nacc,0,,,,,,2\n"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_a_record_says_is_checked(
    attacked: BuiltRepo, key: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in attacked.path.iterdir())
    place = paths(attacked, "a")
    record = json.loads(attacked.show(place["RUN"], "exp/a"))
    files: dict[str, str | bytes] = {}
    if key == "samples" and isinstance(value, str):
        files[place["SAMPLES"]] = value
        digest = hashlib.sha256(value.encode()).hexdigest()
        record["samples"] |= {"rows": value.count("\n") - 1, "sha256": digest}
    else:
        record[key] = value
    files[place["RUN"]] = json.dumps(record)
    hostile(attacked, "a-record", files, parent="main")
    for argv in (*LOOKS, *LISTS, ("show", str(record["id"])), ("power", "REF")):
        look(attacked, argv, capsys, "exp/a-record")
    attacked.git("update-ref", "-d", "refs/heads/exp/a-record")
    check_untouched(attacked, before)
