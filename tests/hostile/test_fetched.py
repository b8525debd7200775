"""With hostile branches and tags fetched, every answer about other experiments is byte-equal.

They hold copies of one's own records, plans and conclusions: under other ids and names, of other
dates, with each field changed by one, as an archive, on a branch of the same name.
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import dispatch
from gitexp.git.transaction import layout
from gitexp.model.ids import CommitHash, TreeId
from gitexp.model.sharing import Tombstone
from gitexp.records import codec
from tests.lab.build import BuiltRepo, clone, git_environment
from tests.lab.records import ADA, START, Lab, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gitexp.text.jsontext import Json

TEN: Final = range(10)
RECORD: Final = layout.run_json("c" * 16)  # type: ignore[arg-type]  of the candidate of `deep`
VERBS: Final[tuple[tuple[str, ...], ...]] = (
    *(("status",), ("show",), ("show", "merged"), ("show", "kept"), ("show", "bob")),
    *(("show", "cccc"), ("show", "origin/exp/bob"), ("logs", "cccc"), ("logs",)),
    *(("compare",), ("compare", "part"), ("compare", "merged"), ("compare", "kept")),
    *(("compare", "bob"), ("compare", "main", "exp/deep", "exp/part"), ("show", "main~0")),
    *(("diff", "main", "deep"), ("inputs", "main", "deep"), ("power",), ("power", "part")),
    *(("check",), ("check", "main..exp/part"), ("review", "main...exp/deep")),
    *(("review", "main...exp/part"), ("conclude", "-m", "x", "--dry-run")),
    *(("amend-plan", "--why", "x", "--effect", ">=6%", "--dry-run"), ("archive", "--dry-run")),
    *(("rename", "deep", "other", "--dry-run"), ("rm", "deep", "--dry-run"), ("run", "--dry-run")),
    *(("witness", "deep"), ("hooks", "status")),
)
LISTS: Final[tuple[tuple[str, ...], ...]] = (
    *(("list",), ("list", "--archived"), ("list", "--runs")),
    *(("list", "--runs", "--group-by", "params"), ("list", "--runs", "--group-by", "experiment")),
)
ELSEWHERE: Final = {
    **dict.fromkeys(("init", "new", "test", "completion", "merge-driver", "worker"), "of its user"),
    **dict.fromkeys(("push", "pull", "sync", "restore"), "moves branches, by their names"),
    "comment": "posts what `review` says",
    "doctor": "names what is broken, others' too",
    "maintenance": "counts objects and refs",
    "hook": "as `check`, in test_forks",
}


def test_the_table_has_every_verb() -> None:
    asked = {argv[0] for argv in (*VERBS, *LISTS)}
    assert asked | ELSEWHERE.keys() == {command.name for command in COMMANDS}
    assert not asked & ELSEWHERE.keys()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """Experiments that are alive, unfinished, merged, archived, and a colleague's on origin."""
    folder = tmp_path_factory.mktemp("fetched")
    repo = BuiltRepo(folder / "p")
    repo.path.mkdir()
    repo.git("init", "-q", "--initial-branch=main")
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        repo.git("config", key, value)
    lab = Lab(repo)
    lab.init()
    letters = iter("defghijklmnopqrstuvwxyz")

    def experiment(name: str, depth: int, runs: str = "", n: int = 10) -> None:
        repo.switch("main")
        plan = lab.plan(name)
        lab.change(depth)
        low = scores(0.6, range(n))
        high = {seed: low[seed] + 0.05 + 0.001 * (seed % 3) for seed in range(n)}
        for (of, values), letter in zip(
            (("main", low), ("HEAD", high)), runs or letters, strict=False
        ):
            lab.record(letter, {"f1": values}, of=of, plan=plan)

    def said(*argv: str) -> None:
        assert dispatch(["-C", str(repo.path), *argv]) == 0, argv

    experiment("kept", 5)
    repo.switch("main")
    said("archive", "kept", "--abandon")
    experiment("part", 6, n=4)
    experiment("bob", 7)
    experiment("deep", 3, "bc")
    experiment("merged", 4)
    said("conclude", "-m", "deeper is better")
    repo.switch("main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "exp/merged")
    repo.git("branch", "-q", "-D", "exp/merged")
    repo.switch("exp/deep")
    clone(repo, folder / "hub.git", "--bare")
    repo.git("remote", "add", "origin", str(folder / "hub.git"))
    repo.git("fetch", "-q", "origin")
    repo.git("branch", "-q", "-D", "exp/bob")
    for ref in repo.refs():
        if ref.startswith("refs/remotes/") and not ref.endswith("/bob"):
            repo.git("update-ref", "-d", ref)
    return repo


# --- what a stranger makes of it ------------------------------------------------------------------


def changed(value: Json) -> Iterator[Json]:
    """Yield a value with each of its fields changed by one."""
    match value:
        case dict():
            for key, inner in value.items():
                yield {each: value[each] for each in value if each != key}
                yield from ({**value, key: other} for other in changed(inner))
        case list() if value:
            yield from ([other, *value[1:]] for other in changed(value[0]))
        case bool() | None:
            yield not value
        case int() | float():
            yield value + 1
        case str() if re.fullmatch("[0-9a-f]{40,64}", value):
            yield value[::-1]
        case str():
            yield re.sub("^2026", "2001", value) if value.startswith("2026") else f"{value}x"


class Stranger:
    """Writes branches and tags into a repository as a fetch would, touching nothing else."""

    def __init__(self, repo: BuiltRepo, remote: str) -> None:
        self.repo, self.remote = repo, remote
        self.env = git_environment() | {"GIT_INDEX_FILE": str(repo.path / ".git/odd-index")}

    def git(self, *argv: str, data: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *argv], cwd=self.repo.path, env=self.env, input=data, capture_output=True,
            check=True,
        )  # fmt: skip
        return done.stdout.decode().strip()

    def commit(
        self, files: Mapping[str, bytes | None], parent: str = "main", tree: str = "exp/deep"
    ) -> str:
        """Commit another's tree with files changed, or gone, on top of a commit."""
        self.git("read-tree", tree)
        lines = []
        for path, data in files.items():
            blob = "0" * 40 if data is None else self.repo.write_object("blob", data)
            lines.append(f"{'0' if data is None else '100644'} {blob}\t{path}\n")
        self.git("update-index", "--index-info", data="".join(lines).encode())
        return self.git("commit-tree", self.git("write-tree"), "-p", parent, "-m", "x")

    def branch(self, name: str, commit: str) -> None:
        self.git("update-ref", f"refs/remotes/{self.remote}/{name}", commit)

    def copies(self, like: str, **fields: object) -> dict[str, bytes | None]:
        """Return copies of the runs of `deep` under other ids, and with other fields."""
        found: dict[str, bytes | None] = {}
        for number, letter in enumerate("bc"):
            old = layout.run_dir(letter * 16)  # type: ignore[arg-type]
            record = json.loads(self.repo.show(f"{old}/run.json", "exp/deep"))
            record |= {"id": f"{like * 14}{'ab'[number]}a", **fields}
            new = layout.run_dir(record["id"])
            found[f"{new}/run.json"] = json.dumps(record).encode()
            found[f"{new}/samples.csv"] = self.repo.show(f"{old}/samples.csv", "exp/deep").encode()
        return found


def spent(at: Stranger) -> None:
    """Copies under no plan, as if the seeds had been seen before."""
    at.branch("exp/spent", at.commit(at.copies("x", plan=None)))
    at.branch("loose", at.commit(at.copies("y", plan=None, started_at="2001-01-01T00:00:00Z")))
    at.git("update-ref", "refs/tags/exp-archive/evil", at.commit(at.copies("w", plan=None)))


def looked(at: Stranger) -> None:
    """Copies under the plan: looks, variants, another draw of the same repeats."""
    at.branch("exp/looked", at.commit(at.copies("x")))
    at.branch("exp/variant", at.commit(at.copies("y", inputs="5" * 64, call="z" * 16)))
    drawn = at.commit(at.copies("w", call="w" * 16), parent="exp/deep~2")
    at.branch("exp/deep", drawn)
    at.git("update-ref", "refs/tags/exp-archive/deep", drawn)


def altered(at: Stranger) -> None:
    """One's own runs, each with a field changed by one; the table of samples, and none."""
    whole = json.loads(at.repo.show(RECORD, "exp/deep"))
    for number, record in enumerate(changed(whole)):
        at.branch(f"exp/altered-{number}", at.commit({RECORD: json.dumps(record).encode()}))
    table = RECORD.replace("run.json", "samples.csv")
    values = at.repo.show(table, "exp/deep")
    at.branch("exp/a-table", at.commit({table: values.replace("0.6", "0.1").encode()}))
    at.branch("exp/broken", at.commit({table: b"x"}))
    at.branch("exp/gone", at.commit({RECORD: None, table: None}, parent="exp/deep"))


def named(at: Stranger) -> None:
    """Plans, conclusions and branches under the names of others."""
    text = at.repo.show(layout.plan_path("deep"), "exp/deep")
    said = at.repo.show(layout.conclusion_path("merged"), "main").encode()
    for name in ("merged", "kept", "part", "bob"):
        plan = re.sub("(?m)^name: .*$", f"name: {name}", text).replace("exp/deep", f"exp/{name}")
        taken = re.sub("(?m)^name: .*$", f"formerly: [{name}]\nname: sly", text)
        forged = {layout.plan_path(name): plan.encode(), layout.conclusion_path(name): said}
        commit = at.commit({**forged, **at.copies("x", plan=None)})
        sly = {layout.plan_path("sly"): taken.replace("exp/deep", f"exp/sly-{name}").encode()}
        at.branch(f"exp/{name}" if name != "bob" else "exp/bobby", commit)
        at.branch(f"exp/sly-{name}", at.commit(sly))
        at.branch(f"on-{name}", commit)
    at.branch("main" if at.remote == "hub" else "master", commit)
    at.branch("cccc", commit)
    at.branch("bbbbbbbb", "main")
    at.branch("exp/old", "exp/deep~2")


def tagged(at: Stranger) -> None:
    """Archive tags of what is alive, unfinished, merged and a colleague's; a branch once more."""
    plan, end = layout.plan_path("merged"), layout.conclusion_path("merged")
    words = at.repo.show(end, "main").replace("deeper is better", "it is noise")
    files = {end: re.sub("(?m)^verdict: .*$", "verdict: refuted", words).encode()}
    files[plan] = at.repo.show(plan, "main").replace("Ada Lovelace", "Mallory").encode()
    forged = at.commit({**files, **at.copies("x", plan=None)}, tree="main")
    at.git("update-ref", "refs/tags/exp-archive/merged", forged)
    for name, tip in (("deep", "exp/deep~1"), ("part", forged), ("bob", "origin/exp/bob")):
        at.git("update-ref", f"refs/tags/exp-archive/{name}", tip)
    at.branch("exp/merged", at.commit({}, tree="main"))


def buried(at: Stranger) -> None:
    """Archive tags in which they are removed."""
    for name in ("deep", "part", "merged", "bob"):
        commit, branch = CommitHash(at.repo.hash("main")), f"exp/{name}"
        stone = Tombstone(name, branch, "-", ADA, START, commit, TreeId(commit), None, None)
        files = {layout.tombstone_path(name): codec.dump(stone), layout.conclusion_path(name): None}
        tip = at.commit(files, tree="origin/exp/bob" if name == "bob" else "main")
        at.git("update-ref", f"refs/tags/exp-archive/{name}", tip)
    at.branch("exp/buried", tip)


STRANGERS: Final[dict[str, Callable[[Stranger], None]]] = {
    each.__name__: each for each in (spent, looked, altered, named, tagged, buried)
}


def forget(repo: BuiltRepo) -> None:
    for ref in repo.refs():
        foreign = ref.startswith("refs/remotes/") and ref != "refs/remotes/origin/exp/bob"
        if foreign or (ref.startswith(layout.ARCHIVE_TAGS) and not ref.endswith("/kept")):
            repo.git("update-ref", "-d", ref)


# --- what is answered -----------------------------------------------------------------------------


def mine(listed: dict[str, Json]) -> dict[str, Json]:
    """Return what a list says of others than the stranger."""

    def is_foreign(item: Json) -> bool:
        text = json.dumps(item)
        theirs = re.search(r'"(hub|origin)/(?!exp/bob")|"exp-archive/(?!kept")', text)
        return bool(theirs) or (isinstance(item, dict) and "key" in item and "fetched" in item)

    return {
        key: [item for item in value if not is_foreign(item)] if isinstance(value, list) else value
        for key, value in listed.items()
    }


def answers(
    repo: BuiltRepo, capsys: pytest.CaptureFixture[str], *, text: bool = True
) -> dict[str, object]:
    found: dict[str, object] = {}
    for argv in VERBS:
        for more in ((), ("--json",))[0 if text else 1 :]:
            code = dispatch(["-C", str(repo.path), *argv, *more])
            said = capsys.readouterr()
            out = re.sub(r'(?m)^ *"(at|[a-z]*ed_at)": .*$', "", said.out)  # it may be now
            found[" ".join((*argv, *more))] = code, out, said.err
    for argv in LISTS:
        code = dispatch(["-C", str(repo.path), *argv, "--json"])
        found[" ".join(argv)] = code, mine(json.loads(capsys.readouterr().out))
    return found


@pytest.fixture(scope="module")
def honest() -> dict[str, object]:
    """Give the answers before anything was fetched, once they are asked for."""
    return {}


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize(
    ("kind", "remote"), [*((kind, "hub") for kind in STRANGERS), ("spent", "origin")]
)
def test_no_answer_about_others_changes(
    made: BuiltRepo,
    honest: dict[str, object],
    kind: str,
    remote: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not honest:
        honest |= answers(made, capsys)
        assert "SUPPORTED" in str(honest["compare"])  # the control
    try:
        STRANGERS[kind](Stranger(made, remote))
        now = answers(made, capsys)
        assert dispatch(["-C", str(made.path), "list", "--json"]) == 0
        said = capsys.readouterr().out
        dispatch(["-C", str(made.path), "doctor"])
        named = re.findall("it is not what .* has of (?:merged|part)", capsys.readouterr().out)
    finally:
        forget(made)
    assert len(named) == 2 * (kind in {"tagged", "buried"})
    assert f'"{remote}/exp/' in said  # the control: the stranger's rows are there
    if remote == "origin":  # whose seeds somebody saw, who may be oneself: they are not drawn
        now |= {key: honest[key] for key in honest if key.startswith("run ")}
    others = [
        "\n".join((key, *difflib.unified_diff(*map(lines, (was, now[key])), n=0, lineterm="")))
        for key, was in honest.items()
        if now[key] != was
    ]
    assert not others, "\n".join(others)


def lines(answer: object) -> list[str]:
    return re.split(r"\\n|(?<=}), (?={)", str(answer))
