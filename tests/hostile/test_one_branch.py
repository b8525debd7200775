"""One fetched branch stops nobody: what is odd there is named, and answers on others stay equal.

Every builder makes a branch that is costly or impossible to read. Each is bounded by processor
time that no sound reader comes near, so that a quadratic one fails and does not hang the suite.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.cli.dispatch import dispatch
from gitexp.comparison.randomness import draws, project_text, seeding, syntax
from gitexp.dvc import dvcfiles, dvcpipeline, evaluator, filled, pipeline, state
from gitexp.dvc.evaluator import Evaluator
from gitexp.dvc.state import ProjectState
from gitexp.errors import BadFormatError, GitexpError, UnsafeInputError
from gitexp.experiments.conclude import conclude
from gitexp.git import refs
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import Index, Kind
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import CommitHash, TreeId
from gitexp.model.run import Run
from gitexp.records import codec
from gitexp.records import plan as plan_format
from gitexp.store import ancestry, experiments
from gitexp.store.ancestry import Graph
from gitexp.store.conclusions import uses
from gitexp.text import foreign, paramkeys, params
from gitexp.text import samples as samples_format
from gitexp.upkeep.doctor import place
from tests.hostile.test_reading import attacked, paths
from tests.hostile.test_trees import Odd, ordered
from tests.lab.build import git_environment, repository
from tests.lab.counted import cost
from tests.lab.records import START, Lab, experiment, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

__all__ = ["attacked"]  # a fixture

WHO: Final = b"M <m@x> 1700000000 +0000"
FUTURE: Final = b"M <m@x> " + b"9" * 30
STRANGER: Final = re.compile(r'"(?:hub|exp-archive)/')
MIB: Final = 1 << 20
CPU_S: Final = 60


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Fail where the block takes more processor time than anything but a blow-up does."""

    def end(_number: int, _frame: object) -> None:
        pytest.fail(f"more than {CPU_S} s of processor time")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


# --- commits -----------------------------------------------------------------------------------

# What `git fetch` takes, and libgit2 may not read; without a tree and a parent, which come first.
COMMITS: Final[dict[str, bytes]] = {
    "sound": b"author %b\ncommitter %b\n\nx\n" % (WHO, WHO),  # the control
    "no e-mail": b"author M\ncommitter M\n\nx\n",
    "no author": b"committer %b\n\nx\n" % WHO,
    "no committer": b"author %b\n\nx\n" % WHO,
    "no brackets": b"author M m@x 1 +0000\ncommitter M m@x 1 +0000\n\nx\n",
    "no time": b"author M <m@x> zz\ncommitter M <m@x> zz\n\nx\n",
    "far future": b"author %b +0000\ncommitter %b +9999\n\nx\n" % (FUTURE, FUTURE),
    "far past": b"author M <m@x> -99999999999 -9999\ncommitter M <m@x> -9999999999 +0\n\nx\n",
    "nobody": b"author <> 1 +0\ncommitter <> 1 +0\n\nx\n",
    "nul": b"author M\0 <m@x> 1 +0000\ncommitter %b\n\nx\0y\n" % WHO,
    "bytes": b"author \xff\xfe <\xff> 1 +0\ncommitter %b\nencoding no\n\n\xff\xfe\n" % WHO,
    "no message": b"author %b\ncommitter %b\n" % (WHO, WHO),
    "long": b"author %b <m@x> 1 +0000\ncommitter %b\n\n%b" % (b"M" * MIB, WHO, b"x" * MIB),
}  # fmt: skip
OTHERS: Final[tuple[tuple[str, ...], ...]] = (  # questions that are not about a stranger's branch
    ("status",),
    ("show", "a"),
    ("compare", "a"),
    ("compare", "main", "exp/a"),
    ("inputs", "main", "exp/a"),
    ("check", "main..exp/a"),
    ("review", "main...exp/a"),
    ("power", "a"),
    ("logs",),
)


def answers(repo: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Return what is said about the experiments that are not a stranger's."""
    found: dict[str, object] = {}
    for argv in OTHERS:
        code = dispatch(["-C", str(repo.path), *argv])
        said = capsys.readouterr()
        found[" ".join(argv)] = code, said.out, said.err
    for argv in (("list",), ("list", "--runs")):
        code = dispatch(["-C", str(repo.path), *argv, "--json"])
        said = capsys.readouterr()
        assert code == 0, said.out
        listed = json.loads(said.out)
        kind = "runs" if "--runs" in argv else "experiments"
        mine = [item for item in listed[kind] if not STRANGER.search(json.dumps(item))]
        found[kind] = code, mine
    return found


def listed(repo: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> str:
    assert dispatch(["-C", str(repo.path), "list"]) == 0
    said = capsys.readouterr()
    return re.sub(r" +\d+ (s|min)$", "", said.out + said.err, flags=re.MULTILINE)  # its age


def forget(repo: BuiltRepo) -> None:
    for ref in repo.refs():
        if "/hub/" in ref or "exp-archive" in ref:
            repo.git("update-ref", "-d", ref)


@pytest.fixture
def before(attacked: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, object]]:
    """Give the answers without any other branch; the test's own are removed."""
    answers(attacked, capsys)  # fill the index
    yield answers(attacked, capsys)
    forget(attacked)


@pytest.mark.slow
def test_commits_that_cannot_be_read_are_named_and_stop_nobody(
    attacked: BuiltRepo, before: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Odd(attacked)
    head = f"tree {attacked.tree('main')}\nparent {attacked.hash('main')}\n".encode()
    parents = f"parent {attacked.hash('main')}\n".encode() * 1_000
    for word, text in {**COMMITS, "octopus": parents + COMMITS["sound"]}.items():
        name = word.replace(" ", "-")
        commit = odd.write("commit", head + text)
        above = f"tree {attacked.tree('main')}\nparent {commit}\n".encode() + COMMITS["sound"]
        below = odd.write("commit", above)
        for ref, tip in (
            (f"refs/remotes/hub/exp/{name}", commit),
            (f"refs/remotes/hub/{name}", commit),
            (f"refs/remotes/hub/exp/on-{name}", below),
            (f"refs/tags/exp-archive/old-{name}", commit),
        ):
            attacked.git("update-ref", ref, tip)
    for _ in range(2):  # the second time by the index
        assert answers(attacked, capsys) == before
    said = listed(attacked, capsys)
    assert "hub/exp/no-e-mail" in said
    assert "not as Git writes them" in said
    assert dispatch(["-C", str(attacked.path), "doctor"]) == 0  # notes: nothing of ours is broken
    assert "hub/exp/no-e-mail" in capsys.readouterr().out
    assert re.search("hub/exp/long.*bytes of a commit", said)
    for word, more in (("long", "bytes of a commit"), ("octopus", "1001 parents")):
        with bounded():
            assert dispatch(["-C", str(attacked.path), "review", f"main...hub/exp/{word}"])
        told = capsys.readouterr()
        assert more in told.out + told.err
    for argv in (("show", "hub/exp/no-e-mail"), ("check", "hub/exp/no-e-mail")):
        assert 0 < dispatch(["-C", str(attacked.path), *argv]) <= 6


# --- what a ref leads to -------------------------------------------------------------------------

PLACES: Final = (
    "", "/experiments", "/conclusions", "/runs", "/environments", "/runs/RR", "/config.yaml",
)  # fmt: skip


def odd_tips(odd: Odd) -> dict[str, str]:
    """Return what no branch should point to, by name: no commits, and commits without a tree."""
    blob, gone = odd.write("blob", b"x"), "1" * 40
    main = odd.git("rev-parse", "main").decode().strip()
    tree = odd.git("rev-parse", "main^{tree}").decode().strip()

    run = odd.git("ls-tree", "--name-only", f"exp/a:{layout.RUNS}").decode().split()[0]

    def tag(kind: str, of: str) -> str:
        head = f"object {of}\ntype {kind}\ntag x\ntagger M <m@x> 1 +0\n\n"
        return odd.write("tag", head.encode())

    def commit(root: str) -> str:
        return odd.write("commit", f"tree {root}\nparent {main}\n".encode() + COMMITS["sound"])

    def lying(path: str, id_: str) -> str:
        """Return the tree of exp/a, in which a folder's mode stands on something else."""
        inner = id_
        names = f".gitexp{path}".replace("RR", run).split("/")
        for depth in reversed(range(len(names))):
            held = odd.entries(":".join(("exp/a", "/".join(names[:depth]))))
            name = names[depth].encode()
            rest = [each for each in held if each[1] != name]
            inner = odd.tree(ordered([*rest, (b"40000", name, inner)]))
        return commit(inner)

    found = {
        "blob": blob,
        "tree": tree,
        "missing": gone,
        "tag-of-blob": tag("blob", odd.write("blob", b"y")),
        "tag-of-tag-of-blob": tag("tag", tag("blob", odd.write("blob", b"z"))),
        "tag-of-tree": tag("tree", odd.tree([])),
        "tag-of-missing": tag("commit", gone),
        "tag-that-lies": tag("commit", blob),
        "root-is-blob": commit(blob),
        "root-is-commit": commit(main),
        "root-is-missing": commit(gone),
    }
    for path in PLACES:
        for word, id_ in (("blob", blob), ("commit", main), ("gone", gone)):
            found[f"{word}-at{path.replace('/', '-').replace('.', '-')}"] = lying(path, id_)
    return found


def point(repo: BuiltRepo, refs: Mapping[str, str], *, packed: bool) -> None:
    """Write refs as a remote, or who made a folder, can: Git itself would make some of them not."""
    folder = repo.path / ".git"
    if packed:
        repo.git("pack-refs", "--all")
        file = folder / "packed-refs"
        lines = [line for line in file.read_text().splitlines() if line[0] not in "#^"]
        lines = [line for line in lines if line.split()[1] not in refs]
        lines += [f"{id_} {ref}" for ref, id_ in refs.items()]
        lines.sort(key=lambda line: line.split()[1])
        file.write_text("\n".join(["# pack-refs with: sorted ", *lines, ""]))
        return
    for ref, id_ in refs.items():
        (folder / ref).parent.mkdir(parents=True, exist_ok=True)
        (folder / ref).write_text(f"{id_}\n")


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("packed", [False, True])
def test_refs_that_lead_to_no_commit_are_named_and_stop_nobody(
    attacked: BuiltRepo,
    before: dict[str, object],
    packed: bool,  # noqa: FBT001
    capsys: pytest.CaptureFixture[str],
) -> None:
    tips = odd_tips(Odd(attacked))
    kinds = ("refs/remotes/hub/exp/", "refs/remotes/hub/", "refs/tags/exp-archive/old-")
    every = {f"{kind}{name}": id_ for name, id_ in tips.items() for kind in kinds}
    point(attacked, every, packed=packed)
    try:
        for _ in range(2):  # the second time by the index
            now = answers(attacked, capsys)
            assert now == before, [(k, now[k]) for k in before if now[k] != before[k]]
        assert dispatch(["-C", str(attacked.path), "list", "--json"]) == 0
        said = {item["where"] for item in json.loads(capsys.readouterr().out)["unreadable"]}
        assert dispatch(["-C", str(attacked.path), "doctor", "--json"]) == 0
        told = capsys.readouterr().out
        named = {ref.split("/", 2)[2] for ref in every if not ref.endswith(("-RR", "yaml"))}
        assert {ref for ref in named if ref not in told} == set()
        assert {ref for ref in named - said if not ref.endswith("environments")} == set()
        for ref in sorted(ref for ref in named if not ref.endswith("environments")):
            assert dispatch(["-C", str(attacked.path), "show", ref]) == 3
            shown = capsys.readouterr().err
            assert ref in shown
            assert "next" in shown, shown
    finally:
        point(attacked, dict.fromkeys(every, attacked.hash("main")), packed=packed)


# --- files -------------------------------------------------------------------------------------

LONG: Final = "k" * (MIB // 2)
DOTS: Final = "a." * 400_000
TEXTS: Final[dict[str, tuple[str, str]]] = {
    "toml dots": ("p.toml", f"{DOTS}a = 1\n"),
    "toml quoted dots": ("p.toml", '"a".' * 200_000 + "a = 1\n"),
    "toml table": ("p.toml", f"[{DOTS}a]\n"),
    "toml inline": ("p.toml", f"x = {{{DOTS}a = 1}}\n"),
    "toml long key": ("p.toml", f"[{LONG}]\n" + "".join(f"{n} = 1\n" for n in range(50_000))),
    "toml long word": ("p.toml", f"x = 0x{'f' * 900_000}\n"),
    "toml many": ("p.toml", "".join(f"a{n} = 1\n" for n in range(90_000))),
    "yaml hex": ("p.yaml", f"x: 0x{'f' * 900_000}\n"),
    "yaml octal": ("p.yaml", f"x: 0o{'7' * 900_000}\n"),
    "yaml digits": ("p.yaml", f"x: {'9' * 900_000}\n"),
    "yaml list": ("p.yaml", f"x: [{'0,' * 90_000}]\n"),
    "yaml long key": ("p.yaml", f"? {LONG}\n:\n" + "".join(f"  {n}: 1\n" for n in range(40_000))),
    "yaml merges": ("p.yaml", f"a: &a {{{','.join(f'k{n}: 1' for n in range(40_000))}}}\n"
                    + "".join(f"m{n}: {{<<: *a}}\n" for n in range(30_000))),
    "yaml deep": ("p.yaml", "- " * 400_000),
    "json long key": ("p.json", json.dumps({LONG: {str(n): 1 for n in range(40_000)}})),
    "json twin": ("p.json", json.dumps(dict.fromkeys(range(60_000)))[:-1] + ', "59999": 1}'),
    "json digits": ("p.json", f'{{"x": {"9" * 900_000}}}'),
    "json deep": ("p.json", '{"a":' * 100_000),
    "python hex": ("p.py", f"x = 0x{'f' * 100_000}\n"),
    "python fields": ("p.py", f'x = f"{"{a}" * 300_000}"\n'),
    "python sums": ("p.py", f"x = {'1 + ' * 200_000}1\n"),
    "python deep": ("p.py", "x = " + "(" * 100_000),
}  # fmt: skip


@pytest.mark.sweep(11)
@pytest.mark.parametrize("kind", TEXTS)
def test_parameters_are_read_or_refused_in_linear_time(kind: str) -> None:
    file, text = TEXTS[kind]
    with bounded(), contextlib.suppress(BadFormatError, UnsafeInputError):
        flat = paramkeys.flatten(params.parse(text.encode(), file))
        assert sum(map(len, flat)) < 100 * MIB
        json.dumps(flat)  # what is read can be written again


@pytest.mark.parametrize("kind", ["toml text", "toml comment", "toml 49 parts"])
def test_dots_that_part_no_keys_are_no_depth(kind: str) -> None:
    text = {
        "toml text": f"x = \"{DOTS}\"\ny = '{DOTS[:90_000]}'\n",
        "toml comment": f"x = 1  # {DOTS}\n",
        "toml 49 parts": ".".join("abcdefg" * 7) + " = 1\n",
    }[kind]
    assert params.parse(text.encode(), "p.toml")


@pytest.mark.parametrize("read", [plan_format.load, partial(codec.load, Run), dvcfiles.load_pointer,
                                  dvcfiles.load_lock, dvcpipeline.load_pipeline])  # fmt: skip
@pytest.mark.parametrize("shape", ["stages", "outs", "params"])
def test_a_long_key_is_not_repeated_for_all_below_it(
    read: Callable[[bytes, str], object], shape: str
) -> None:
    body = {shape: {LONG: {"outs": [{"md5": "x"}] * 20_000, "params": {LONG: {}}}}}
    with bounded(), contextlib.suppress(GitexpError):
        read(json.dumps(body).encode(), "where")


def test_many_pointers_in_one_file_are_read_in_linear_time() -> None:
    outs = "".join(f"- {{md5: {n:032x}, path: p{n}}}\n" for n in range(15_000))
    with bounded():
        assert len(dvcfiles.load_pointer(f"outs:\n{outs}".encode(), "x.dvc").outs) == 15_000


@pytest.mark.sweep(1)
@pytest.mark.parametrize(
    "rules",
    [
        ["*" + "?" * 120 + f"b{n}*" for n in range(20)],
        ["*" + "[!b]" * 200 + f"b{n}*" for n in range(20)],
        ["*a" * 400] * 20,
        ["/" + "**/a*b/" * 140 + "x"] * 20,
        ["?*" * 400 + "b"] * 1_000,
    ],
    ids=["?", "class", "*", "**", "many"],
)
def test_patterns_of_a_branch_take_linear_time(rules: list[str]) -> None:
    matched = foreign.matcher(rules)
    names = ["a" * 240 + f"{n:06d}" for n in range(2_000)]
    names += ["/".join(["aab"] * 300) + f"/{n}" for n in range(50)]
    names += ["".join(chr(0x4E00 + n * 60 + k) for k in range(60)) for n in range(300)]
    with bounded(), contextlib.suppress(UnsafeInputError):
        for name in names:
            matched(name)


def tried(pattern: str, text: str) -> bool:
    """Match by trying all ways, as slow as that is."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(tried(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and tried(pattern[1:], text[1:])


@given(st.text("ab*?", min_size=1, max_size=9), st.text("abc", min_size=1, max_size=8))
def test_a_pattern_matches_what_trying_all_ways_matches(pattern: str, text: str) -> None:
    assert foreign.matcher([pattern])(text) is tried(pattern, text)


RULES: Final = (
    *(evaluator, filled, pipeline, project_text, dvcpipeline, paramkeys, params, foreign),
    *(state, draws, seeding, syntax),
)
UNITS: Final = (
    "[",
    "${[",
    "model",
    "-train",
    "data",
    "a.",
    "a_",
    " ",
    "\n",
    "=",
    "/",
    "'",
    "seed ",
    "0",
)


def test_no_pattern_of_ours_takes_quadratic_time() -> None:
    ours = [
        each
        for one in RULES
        for each in vars(one).values()
        if isinstance(each, re.Pattern) and isinstance(each.pattern, str)
    ]
    assert len(ours) > 40
    with bounded():
        for unit in UNITS:
            text = unit * (200_000 // len(unit)) + "\n"
            for each in ours:
                each.match(text)
            filled._dotted(text)  # noqa: SLF001  it is a substitution
            evaluator._MODEL.search(text)  # noqa: SLF001  these two search
            pipeline._TRAINING.search(text)  # noqa: SLF001


FAR: Final = "a/" * 200_000 + "b"
OUTS: Final = ", ".join(f"d{n}" for n in range(40_000))
HOLES: Final = ", ".join(f"'${{x}}/d{n}'" for n in range(20_000))
ITEMS: Final = ", ".join(map(str, range(1_000)))
STAGE: Final = "stages:\n  train:\n    cmd: python train.py\n"
BOMBS: Final[dict[str, tuple[str, str]]] = {
    "aliases": ("dvc.yaml", f"x: &a '{LONG}'\n{STAGE}    deps: [{'*a, ' * 60_000}]\n"),
    "params": ("params.yaml", f"a: &a '{LONG}'\n" + "".join(f"k{n}: *a\n" for n in range(40_000))),
    "brackets": ("dvc.yaml", f"{STAGE}    deps: ['${{{'[' * 400_000}}}']\n"),
    "items": ("dvc.yaml", (f"stages:\n  g:\n    foreach: [{ITEMS}]\n    do:\n"
              f"      cmd: python train.py\n      deps: [{HOLES.replace('x', 'item')}]\n")),
    "long values": ("dvc.yaml", f"vars: [{{x: '{LONG[:300_000]}'}}]\n{STAGE}    deps: [{HOLES}]\n"),
    "deep out": ("dvc.yaml", f"{STAGE}    outs: [{FAR}]\n"),
    "deep dep": ("dvc.yaml", f"{STAGE}    deps: [{FAR}, '${{x}}/{FAR}']\n"),
    "deep lock": ("dvc.lock", ("schema: '2.0'\nstages:\n  train:\n    cmd: x\n    outs:\n"
                  f"    - {{path: {FAR}, hash: md5, md5: {'a' * 32}, size: 3}}\n")),
    "deep pointer": ("data.dvc", f"outs: [{{path: {FAR}, hash: md5, md5: {'a' * 32}, size: 3}}]\n"),
    "wdir": ("dvc.yaml", f"{STAGE}    wdir: {LONG}\n    outs: [{OUTS}]\n"),
    "short wdir": ("dvc.yaml", f"{STAGE}    wdir: {LONG[:4_000]}\n    outs: [{OUTS}]\n"),
    "deep wdir": ("dvc.yaml", f"{STAGE}    wdir: {FAR}\n    outs: [{OUTS}]\n"),
}  # fmt: skip


# --- trees -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("verb", ["check", "inputs"])
def test_folders_that_hold_each_other_and_deep_ones_end(
    attacked: BuiltRepo, before: dict[str, object], verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Odd(attacked)
    file = (b"100644", b"f", odd.write("blob", b"x"))
    wide, deep = odd.tree([file]), odd.tree([file])
    for _ in range(9):
        wide = odd.tree([(b"40000", b"%d" % n, wide) for n in range(10)])
    for _ in range(3_000):
        deep = odd.tree([(b"40000", b"d", deep)])
    for name, tree in (("wide", wide), ("deep", deep)):
        root = [*odd.entries("main"), (b"40000", b"zz", tree)]
        odd.commit(f"refs/remotes/hub/exp/{name}", odd.tree(root), "main")
    with bounded():
        assert answers(attacked, capsys) == before
    for name in ("wide", "deep"):
        tip = f"hub/exp/{name}"
        ends = [f"main..{tip}"] if verb == "check" else ["main", tip]
        with bounded():
            assert dispatch(["-C", str(attacked.path), verb, *ends]) in range(1, 7)
        said = capsys.readouterr()
        assert "larger or deeper than any project" in said.out + said.err


BULK: Final = "\nguards:\n" + "- a<=1\n" * 20_000
# Files, blobs, what is in each, what is said.
PLANS: Final[dict[str, tuple[int, int, str, str]]] = {
    "small": (2_000, 2_000, "", ""),  # read, each once
    "one blob": (30, 1, BULK, ""),
    "one blob that is no plan": (30, 1, f"{BULK}x: [", ""),
    "too many": (10_001, 1, "", "10001 (?:records in a folder|files of records)"),
    "too large": (61, 61, BULK, "[0-9]+ bytes of plans"),
}


def many_plans(repo: BuiltRepo, files: int, blobs: int, more: str) -> None:
    """Make hub/exp/many with so many plans of its own, and none of its name."""
    odd = Odd(repo)
    text = repo.show(layout.plan_path("a"), "exp/a").rstrip("\n")  # the quick reader wants it
    text = text.replace("exp/a", "exp/many")
    texts = [text.replace("name: a", f"name: p{n}") + more for n in range(blobs)]
    ids = [odd.write("blob", each.encode()) for each in texts]
    plans = odd.tree(sorted((b"100644", b"p%d.yaml" % n, ids[n % blobs]) for n in range(files)))
    ours = [each for each in odd.entries("main:.gitexp") if each[1] != b"experiments"]
    folder = odd.tree(ordered([*ours, (b"40000", b"experiments", plans)]))
    root = [each for each in odd.entries("main") if each[1] != b".gitexp"]
    root = ordered([*root, (b"40000", b".gitexp", folder)])
    odd.commit("refs/remotes/hub/exp/many", odd.tree(root), "main")


@pytest.mark.slow
@pytest.mark.sweep(3, "small")
@pytest.mark.parametrize("kind", PLANS)
def test_plans_of_a_branch_are_parsed_once_or_passed_over_by_name(
    attacked: BuiltRepo,
    before: dict[str, object],
    kind: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[bytes] = []
    read = plan_format.load

    def load(data: bytes, where: str) -> Plan:
        if b"exp/many" in data:
            parsed.append(data)
        return read(data, where)

    monkeypatch.setattr(plan_format, "load", load)
    files, blobs, more, said = PLANS[kind]
    many_plans(attacked, files, blobs, more)
    with bounded():
        assert answers(attacked, capsys) == before
        shown = listed(attacked, capsys)
        code = dispatch(["-C", str(attacked.path), "check", "main..hub/exp/many"])
    told = capsys.readouterr()
    assert len(parsed) == (0 if said else blobs)
    if said:
        assert re.search(rf"hub/exp/many.*{said}", shown)
        assert re.search(said, told.out + told.err)
        assert code
    else:
        assert f"p{files - 1}" in told.out  # the control
    with bounded():
        assert dispatch(["-C", str(attacked.path), "doctor"]) == 0
    assert ("hub/exp/many" in capsys.readouterr().out) is (files > 500 or bool(said))
    assert len(parsed) == (0 if said else blobs)


def below(odd: Odd, entry: tuple[bytes, bytes, str], levels: int) -> str:
    """Make a tree of 20 folders in each of 20, as deep as that, and the entry in the last."""
    tree = odd.tree([entry])
    for _ in range(levels):
        tree = odd.tree(sorted((b"40000", b"d%d" % n, tree) for n in range(20)))
    return tree


DEPS: Final = "".join(f"    - a{n}\n" for n in range(60_000))
HOLES: Final = "".join(f"    - .${{x}}{n}\n" for n in range(20_000))
STAGES: Final = "".join(f"  s{n}: {{deps: [a], outs: [b{n}]}}\n" for n in range(9_000))
MANY: Final[dict[str, tuple[str, str, str, int, tuple[tuple[str, ...], ...]]]] = {
    # what is asked: a file at the top, one in all of 20^n folders, and the verbs
    "outs": ("more.txt", "", "x.dvc", 2, (("diff",), ("check",))),
    "deps": ("dvc.yaml", f"stages:\n  s:\n    cmd: x\n    deps:\n{DEPS}", "f", 3, (("inputs",),)),
    "templates": ("dvc.yaml", f"stages:\n  s:\n    cmd: x\n    deps:\n{HOLES}", "f", 3,
                  (("inputs",),)),
    "stages": ("dvc.yaml", f"stages:\n{STAGES}", "f", 1, (("inputs",), ("check",))),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("kind", MANY)
def test_what_dvc_has_thousands_of_is_read_once_or_named(
    attacked: BuiltRepo, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Odd(attacked)
    top, text, name, levels, verbs = MANY[kind]
    outs = "".join(f"- {{md5: {n:032x}, path: p{n}}}\n" for n in range(2_000))
    inner = odd.write("blob", f"outs:\n{outs}".encode())
    folder = (b"40000", b"docs", below(odd, (b"100644", name.encode(), inner), levels))
    file = (b"100644", top.encode(), odd.write("blob", text.encode()))
    settings = attacked.show(layout.CONFIG, "exp/a")
    settings = settings.replace(
        "command: python train.py", "pipeline: {file: dvc.yaml, targets: [s]}"
    )
    ours = [each for each in odd.entries("main:.gitexp") if each[1] != b"config.yaml"]
    ours.append((b"100644", b"config.yaml", odd.write("blob", settings.encode())))
    root = [each for each in odd.entries("exp/a") if each[1] != b".gitexp"]
    root += [folder, file, (b"40000", b".gitexp", odd.tree(ordered(ours)))]
    odd.commit("refs/remotes/hub/exp/many", odd.tree(ordered(root)), "exp/a")
    for verb, *more in verbs:
        ref = ["main..hub/exp/many"] if verb == "check" else ["main", "hub/exp/many"]
        with bounded():
            asked = [verb, *(ref[-1:] if verb == "show" else ref), *more]
            assert dispatch(["-C", str(attacked.path), *asked]) in range(7), asked
        capsys.readouterr()
    forget(attacked)


# --- records -----------------------------------------------------------------------------------


def many_runs(repo: BuiltRepo, name: str, table: bytes, rows: int, count: int) -> None:
    """Make hub/exp/NAME with so many runs that share one file of samples.

    `name`: NAME, or NAME=OTHER with the run ids of another.
    """
    name, _, ids = name.partition("=")
    env = git_environment() | {"GIT_INDEX_FILE": str(repo.path / ".git" / "many-index")}

    def git(*argv: str, data: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *argv], cwd=repo.path, env=env, input=data,
            capture_output=True, check=True,
        )  # fmt: skip
        return done.stdout.decode().strip()

    git("read-tree", "main")
    blob = repo.write_object("blob", table)
    record = json.loads(repo.show(paths(repo, "a")["RUN"], "exp/a"))
    record["samples"] |= {"rows": rows, "sha256": hashlib.sha256(table).hexdigest()}
    record |= {"inputs": "0" * 64, "plan": None}
    lines = []
    for number in range(count):
        digest = hashlib.sha256(f"{ids or name}{number}".encode()).digest()
        record["id"] = base64.b32encode(digest).decode().lower()[:16]
        data = json.dumps(record).encode()
        folder = f".gitexp/runs/{record['id'][:2]}/{record['id']}"
        own = repo.write_object("blob", data)
        lines += [f"100644 {own}\t{folder}/run.json", f"100644 {blob}\t{folder}/samples.csv"]
    git("update-index", "--add", "--index-info", data="\n".join(lines).encode())
    commit = git("commit-tree", git("write-tree"), "-p", "main", "-m", name)
    repo.git("update-ref", f"refs/remotes/hub/exp/{name}", commit)


HEAD: Final = b"metric,seed,rep,fold,dataset,n_train,n_test,value\n"
TABLES: Final[dict[str, tuple[int, int]]] = {  # rows that are there, rows that run.json tells
    "true": (1_000, 1_000),  # the control
    "many": (1_500_000, 1_500_000),
    "few told": (1_500_000, 10),
    "as many told as we read": (1_500_000, samples_format.MOST_ROWS),
}


@pytest.mark.slow
def test_large_tables_of_samples_are_refused_before_they_are_read(
    attacked: BuiltRepo, before: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, (rows, told) in TABLES.items():
        table = HEAD + b"".join(b"acc,7,%d,,,,,0.8\n" % n for n in range(rows))
        many_runs(attacked, kind.replace(" ", "-"), table, told, 30 if kind == "true" else 1)
    with bounded():
        assert answers(attacked, capsys) == before
    assert dispatch(["-C", str(attacked.path), "list", "--runs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum("hub/exp/true" in json.dumps(item) for item in found["runs"]) == 30
    assert len(found["unreadable"]) == 3


@pytest.mark.parametrize("verb", [("list",), ("list", "--runs")])
def test_a_list_passes_over_a_branch_of_others_with_more_records_than_it_reads(
    attacked: BuiltRepo,
    before: dict[str, object],
    verb: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(experiments, "_MOST_FILES", 30)
    monkeypatch.setattr(experiments, "_MOST_BYTES", 500_000)
    rows = b"".join(b"acc,7,%d,,,,,0.8\n" % n for n in range(10_000))
    many_runs(attacked, "few", HEAD + b"acc,7,,,,,,0.8\n", 1, 10)
    many_runs(attacked, "files", HEAD + b"acc,7,,,,,,0.8\n", 1, 20)
    many_runs(attacked, "bytes", HEAD + rows, 10_000, 5)
    many_runs(attacked, "mine", HEAD + rows, 10_000, 5)
    attacked.git("update-ref", "refs/heads/exp/mine", "hub/exp/mine")  # others, too, have it then
    attacked.git("update-ref", "refs/remotes/hub/exp/like-mine", "hub/exp/mine")
    try:
        for _ in range(2):  # the second time by the index
            assert dispatch(["-C", str(attacked.path), *verb, "--json"]) == 0
            found = json.loads(capsys.readouterr().out)
            said = {item["where"]: item["why"] for item in found["unreadable"]}
            assert said.keys() == {"hub/exp/files", "hub/exp/bytes"}
            assert re.match("[0-9]+ files of records", said["hub/exp/files"])
            assert re.match("[0-9]+ bytes of records", said["hub/exp/bytes"])
            assert "hub/exp/few" in json.dumps(found)
            assert '"exp/mine"' in json.dumps(found)
        assert answers(attacked, capsys)["show a"] == before["show a"]
    finally:
        attacked.git("update-ref", "-d", "refs/heads/exp/mine")


def test_what_cannot_be_read_is_remembered_too(
    attacked: BuiltRepo, before: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    many_runs(attacked, "broken", HEAD + b"acc,7,,,,,,x\n", 1, 5)
    first = listed(attacked, capsys)
    blob = attacked.git("ls-tree", "-r", "hub/exp/broken", layout.RUNS).split()[2]
    loose = attacked.path / ".git" / "objects" / blob[:2] / blob[2:]
    loose.rename(loose.with_suffix(".away"))  # so that reading it again would say another thing
    try:
        assert listed(attacked, capsys) == first
    finally:
        loose.with_suffix(".away").rename(loose)
    assert "a value is no finite number" in first
    assert before


@pytest.mark.slow
def test_an_ended_list_keeps_what_it_learned(
    attacked: BuiltRepo, before: dict[str, object]
) -> None:
    rows = samples_format.MOST_ROWS
    for number in range(4):
        text = b"".join(b"acc,7,%d,,,,,0.%d\n" % (n, number) for n in range(rows))
        many_runs(attacked, f"n{number}", HEAD + text, rows, 10 if number else 1)
    path = attacked.path / ".git" / "gitexp" / "index.sqlite"

    def known() -> int:
        with sqlite3.connect(path) as connection:
            found = connection.execute(
                "SELECT count(*) FROM entry WHERE kind IN (?, ?)",
                (Kind.RUN.value, Kind.EXPERIMENT.value),
            ).fetchone()[0]
        return int(found)

    had = known()
    argv = [sys.executable, "-m", "gitexp", "-C", str(attacked.path), "list", "--runs"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and known() == had:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    process.kill()
    process.wait()
    assert known() > had
    assert before


def test_an_index_that_cannot_be_written_keeps_its_rows_in_memory(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    index.put(Kind.RUN, {"a": b"1"})
    with sqlite3.connect(tmp_path / "index.sqlite") as other:
        other.execute("DROP TABLE entry")
    index._written_s = -1e9  # noqa: SLF001  the next rows are written at once
    index.put(Kind.RUN, {"b": b"2"})
    assert index.get(Kind.RUN, ["a", "b"]) == {"a": b"1", "b": b"2"}


# --- doctor ------------------------------------------------------------------------------------


def long_line(repo: BuiltRepo, name: str, count: int) -> None:
    """Make hub/exp/NAME with so many commits that change nothing."""
    ref = f"refs/remotes/hub/exp/{name}"
    one = f"commit {ref}\ncommitter M <m@x> %d +0000\ndata 1\nx\n"
    text = f"reset {ref}\nfrom {repo.hash('main')}\n" + "".join(
        one % (1_700_000_000 + n) for n in range(count)
    )
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=repo.path, env=git_environment(),
        input=text.encode(), check=True,
    )  # fmt: skip


@pytest.mark.slow
def test_doctor_passes_over_what_is_too_much_and_names_it(
    attacked: BuiltRepo,
    before: dict[str, object],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def asked() -> tuple[int, dict[str, object]]:
        with bounded():
            code = dispatch(["-C", str(attacked.path), "doctor", "--json"])
        return code, json.loads(capsys.readouterr().out)

    monkeypatch.setattr(place, "MOST_RECORDS", 20)
    monkeypatch.setattr(place, "MOST_COMMITS", 50)
    monkeypatch.setattr(place, "MOST_BYTES", 500_000)
    monkeypatch.setattr(place, "_TIMES", 2)
    code, _ = asked()
    table = HEAD + b"acc,7,,,,,0.8\n"
    many_runs(attacked, "few", table, 1, 20)  # the control: looked at
    many_runs(attacked, "many", table, 1, 60)
    long_line(attacked, "few-commits", 40)
    long_line(attacked, "long", 5_000)
    rows = b"".join(b"acc,7,%d,,,,,0.8\n" % n for n in range(10_000))
    many_runs(attacked, "large", HEAD + rows, 10_000, 3)
    many_runs(attacked, "past", table, 1, 25)  # which its tip has no more
    past = attacked.git("commit-tree", "main^{tree}", "-p", "hub/exp/past", "-m", "x").strip()
    attacked.git("update-ref", "refs/remotes/hub/exp/past", past)
    many_runs(attacked, "other=few", table + b"acc,8,,,,,0.8\n", 2, 18)
    for number in range(2):  # each below the bar, and all of them above it
        many_runs(attacked, f"part{number:02}", table, 1, 1 + number)
    again, found = asked()
    assert again == code, [each for each in found["findings"] if each["level"] != "note"][:3]
    said = json.dumps(found)
    for name, held in (
        ("many", "60 runs"),
        ("past", "25 runs"),
        ("long", "more than 50 commits"),
        ("large", "[0-9]{6} bytes of records"),
    ):
        assert re.search(rf'[^{{]*{held}[^}}]*hub/exp/{name}"', said), name
    assert "hub/exp/part01" in said
    heard = {f"hub/exp/{word}" for word in ("few", "few-commits", "other", "part00")}
    assert not {word for word in heard if f'{word}"' in said}
    assert before


# --- what one fetched branch costs all others -----------------------------------------------------

BESIDE: Final[tuple[tuple[str, ...], ...]] = (
    *(("list",), ("list", "--runs"), ("status",), ("check",), ("compare", "deep")),
    *(("show", "deep"), ("review", "main...exp/deep"), ("run", "--dry-run")),
)
VALUES: Final = "- a\n" * 20_000


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """Give an experiment with all its repeats, on evaluation data that another was decided on."""
    lab = Lab(repository(tmp_path_factory.mktemp("judged") / "p"))
    experiment(lab)
    conclude(lab.repo.workspace, words="it was so", now=START)
    lab.repo.switch("main")
    plan = lab.plan("other")
    lab.change(5)
    for letter, of in (("d", "main"), ("e", "HEAD")):
        lab.record(letter, {"f1": scores(0.6 + 0.05 * (of == "HEAD"), range(10))}, of=of, plan=plan)
    lab.repo.switch("exp/deep")
    return lab.repo


def imported(
    repo: BuiltRepo, ref: str, files: Iterable[tuple[str, bytes]], commits: int = 1
) -> None:
    """Make a branch from main with files, and so many commits above that change nothing."""
    name = ref.encode()
    head = b"commit %b\ncommitter M <m@x> %%d +0000\ndata %d\n%b\n" % (name, len(name), name)
    text = head % 1_700_000_000 + b"from %b\n" % repo.hash("main").encode()
    for path, data in files:
        text += b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(data), data)
    text += b"".join(head % (1_700_000_000 + n) for n in range(1, commits))
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=repo.path, env=git_environment(), input=text,
        check=True,
    )  # fmt: skip


def unreadable(repo: BuiltRepo, head: str, *, plans: bool = False) -> Iterator[tuple[str, bytes]]:
    """Yield conclusions that cannot be read, each another, and plans with them."""
    plan = repo.show(layout.plan_path("deep"), "exp/deep")
    for number in range(10):
        name = f"evil{number}"
        if plans:
            text = plan.replace("name: deep", f"name: {name}").replace("exp/deep", f"exp/{name}")
            yield layout.plan_path(name), text.encode()
        yield layout.conclusion_path(name), f"{head}\n# {number}\nx:\n{VALUES}".encode()


def bad_conclusions(repo: BuiltRepo) -> None:
    imported(repo, "refs/remotes/hub/exp/evil", unreadable(repo, "$schema: gitexp/conclusion@1"))


def newer_conclusions(repo: BuiltRepo) -> None:
    imported(repo, "refs/remotes/hub/exp/evil", unreadable(repo, "$schema: gitexp/conclusion@9"))


def bad_merged(repo: BuiltRepo) -> None:
    files = unreadable(repo, "$schema: gitexp/conclusion@1", plans=True)
    imported(repo, "refs/remotes/hub/notes", files)


def newer_merged(repo: BuiltRepo) -> None:
    files = unreadable(repo, "$schema: gitexp/conclusion@9", plans=True)
    imported(repo, "refs/remotes/hub/notes", files)


def long_history(repo: BuiltRepo) -> None:
    imported(repo, "refs/remotes/hub/exp/evil", (), 5_000)


HOSTILE: Final[dict[str, Callable[[BuiltRepo], None]]] = {
    each.__name__: each
    for each in (bad_conclusions, newer_conclusions, bad_merged, newer_merged, long_history)
}


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_fetched_branch_holds_costs_other_answers_nothing(
    judged: BuiltRepo, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def costs() -> dict[str, int]:
        found = {}
        for argv in BESIDE:
            ask = partial(dispatch, ["-C", str(judged.path), *argv])
            ask()  # fills the index
            found[" ".join(argv)], _ = cost(ask)
        return found

    try:
        before = costs()
        HOSTILE[kind](judged)
        after = costs()
    finally:
        forget(judged)
        capsys.readouterr()
    assert {verb: n for verb, n in after.items() if n > 2 * before[verb]} == {}, before


ASKED: Final[tuple[tuple[str, ...], ...]] = (
    *(
        ("show", "hub/exp/evil"),
        ("inputs", "main", "hub/exp/evil"),
        ("check", "main..hub/exp/evil"),
    ),
    *(("compare", "main", "hub/exp/evil"), ("diff", "main", "hub/exp/evil")),
    ("review", "main...hub/exp/evil"),
)


@pytest.mark.slow
@pytest.mark.sweep(3)
@pytest.mark.parametrize("kind", BOMBS)
def test_what_one_branch_makes_of_a_small_file_is_bounded(
    judged: BuiltRepo, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(argv: tuple[str, ...]) -> tuple[int, str]:
        with bounded():
            code = dispatch(["-C", str(judged.path), *argv])
        said = capsys.readouterr()
        return code, said.out + said.err

    def own() -> dict[str, tuple[int, str]]:
        return {" ".join(argv): told(argv) for argv in BESIDE if argv[0] not in ("list", "run")}

    told(("list",))
    before = own()
    path, text = BOMBS[kind]
    piped = ProjectConfig(metrics=("metrics.json",), pipeline="dvc.yaml")
    try:
        files = {**dict(uncertain(judged, "evil")), path: text.encode()}
        imported(judged, "refs/remotes/hub/exp/evil", files.items())
        evil = ProjectState(
            open_repository(judged.workspace), TreeId(judged.tree("hub/exp/evil")), piped
        )
        with bounded(), contextlib.suppress(UnsafeInputError):
            evaluator.content(Evaluator("dvc.yaml", (("train", "metrics.json"),)), evil)
            assert evaluator.evaluator(evil, ["metrics.json"], ()).lacking
        assert own() == before
        assert told(("list",))[0] == 0
        for argv in ASKED:
            code, said = told(argv)
            assert 0 <= code <= 6, said
            assert "bug" not in said
            assert len(said) < 100_000
        judged.git("switch", "-q", "--detach", "hub/exp/evil")
        old, new = judged.hash("main"), judged.hash("hub/exp/evil")
        for argv in (("hook", "post-checkout", old, new, "1"), ("hook", "pre-commit"), ("status",)):
            code, said = told(argv)
            assert 0 <= code <= 6, said
    finally:
        judged.git("switch", "-q", "-f", "exp/deep")
        forget(judged)


def test_more_conclusions_of_others_than_are_read_stop_the_question_about_them(
    judged: BuiltRepo,
) -> None:
    repo, index = open_repository(judged.workspace), Index(None)
    before = uses(repo, index)
    try:
        for number in (500, 501):
            files = ((layout.conclusion_path(f"e{n}"), b"# %d" % n) for n in range(number))
            imported(judged, f"refs/remotes/hub/exp/n{number}", files)
        few, many = (CommitHash(judged.hash(f"hub/exp/n{number}")) for number in (500, 501))
        assert uses(repo, index) == uses(repo, index, few) == before
        with pytest.raises(UnsafeInputError, match="more conclusions than any project has"):
            uses(repo, index, many)
    finally:
        forget(judged)


def uncertain(repo: BuiltRepo, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield an experiment of which only a look at all of its records tells what counts."""
    for path in repo.files("exp/deep"):
        text = repo.show(path, "exp/deep").replace("exp/deep", f"exp/{name}")
        text = text.replace("name: deep", f"name: {name}").replace(
            '"name":"deep"', f'"name":"{name}"'
        )
        text = text.replace('"name": "deep"', f'"name": "{name}"')
        if path.startswith(".gitexp/") and "conclusion" not in path:
            yield path.replace("deep.yaml", f"{name}.yaml"), text.encode()
            if layout.RUNS in path:
                again = text.replace("c" * 16, "cz" + "c" * 14)
                yield path.replace("cc/" + "c" * 16, "cz/cz" + "c" * 14), again.encode()


def test_a_longer_branch_of_others_than_is_read_stops_the_question_about_it(
    judged: BuiltRepo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ancestry, "MOST_COMMITS", 20)
    repo, index = open_repository(judged.workspace), Index(None)
    try:
        for number in (20, 21):
            files = uncertain(judged, f"n{number}")
            imported(judged, f"refs/remotes/hub/exp/n{number}", files, number)
        imported(judged, "refs/heads/mine", (), 30)
        imported(judged, "refs/remotes/hub/exp/next", (), 30)
        few, many, own = (
            CommitHash(judged.hash(name)) for name in ("hub/exp/n20", "hub/exp/n21", "mine")
        )
        judged.git("update-ref", "refs/remotes/hub/exp/next", own)
        assert len(Graph(repo, index, [few]).nodes) > 20
        assert len(Graph(repo, index, [own]).nodes) > 30
        known = len(index.all(Kind.GRAPH))
        graph = Graph(repo, index, [own, many])
        assert (set(graph.broken), len(index.all(Kind.GRAPH))) == ({many}, known)
        with pytest.raises(UnsafeInputError, match="longer than is read of others"):
            graph.additions([many])
        assert graph.additions([own]) == Graph(repo, index, [own]).additions()
        assert dispatch(["-C", str(judged.path), "list", "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)["experiments"]
        counted = {each["name"]: each["finished"] for each in listed}
        assert (counted["n21"], counted["deep"]) == (0, 10)
        for name, code in (("hub/exp/next", 0), ("hub/exp/n21", 3)):
            assert dispatch(["-C", str(judged.path), "show", name]) == code
        assert "more than 20 commits that no branch of yours has" in capsys.readouterr().err
    finally:
        forget(judged)
        judged.git("update-ref", "-d", "refs/heads/mine")


# --- objects ------------------------------------------------------------------------------------


LISTING: Final = """\
import sys
from gitexp.cli.dispatch import dispatch
assert dispatch(["-C", sys.argv[1], "list"]) == 0
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        sys.stderr.write(line)
"""


@pytest.mark.parametrize("kind", ["tag", "folder of runs", "folder of plans", "folder"])
def test_an_object_of_any_size_is_named_and_not_read(
    attacked: BuiltRepo, before: dict[str, object], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What takes nothing in a pack, and of each list the memory for all of it, twice."""
    odd = Odd(attacked)
    if kind == "tag":
        head = f"object {attacked.hash('main')}\ntype commit\ntag s\ntagger V <v@x> 1 +0000\n\n"
        tag = odd.write("tag", head.encode() + b"a" * (100 * MIB))
        attacked.git("update-ref", "refs/tags/exp-archive/s", tag)
    else:
        blob = odd.write("blob", b"x")
        many = odd.tree([(b"100644", b"%07d" % n + b"a" * 4_000, blob) for n in range(24_000)])
        above = {"folder of runs": b"runs", "folder of plans": b"experiments", "folder": b"zz"}
        ours = odd.tree([(b"40000", above[kind], odd.tree([(b"40000", b"zz", many)]))])
        odd.commit("refs/remotes/hub/exp/s", odd.tree([(b"40000", b".gitexp", ours)]), "main")
    argv = [sys.executable, "-c", LISTING, str(attacked.path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    most_kib = int(done.stderr.split()[-2])
    assert most_kib < 100 << 10
    assert answers(attacked, capsys) == before


def test_tags_of_tags_end(attacked: BuiltRepo) -> None:
    """Each listing would walk each chain to its end, once for each tag of it."""
    odd, main = Odd(attacked), attacked.hash("main")
    chain, kind = [main], "commit"
    for _ in range(200):
        head = f"object {chain[-1]}\ntype {kind}\ntag t\ntagger V <v@x> 1 +0000\n\n"
        chain, kind = [*chain, odd.write("tag", head.encode())], "tag"
    repo, tags = open_repository(attacked.workspace), "refs/tags/exp-archive/t"
    counts = {}
    try:
        for deep in (3, 200):
            for number in range(50):
                attacked.git("update-ref", f"{tags}{number}", chain[deep])
            counts[deep], _ = cost(lambda: refs.branches(repo))
            assert (dict(refs.branches(repo))[f"{tags}0"] == main) == (deep == 3)
    finally:
        forget(attacked)
    assert counts[200] < 5 * counts[3]
