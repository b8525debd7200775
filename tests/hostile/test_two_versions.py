"""Of two versions of a record a person takes one: `sync` never replaces one's own unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gitexp.git.transaction import layout
from gitexp.model.sharing import BranchOutcome
from gitexp.sharing.push_pull import sync
from tests.hostile.test_fetched import Stranger
from tests.lab.build import BuiltRepo, clone
from tests.lab.records import ADA, Lab, experiment

if TYPE_CHECKING:
    from pathlib import Path

RUN: Final = "x" * 14 + "aa"
DIGEST: Final = "d" * 64
# Each kind of record: where one lies, and what is told otherwise in another version.
KINDS: Final[dict[str, tuple[str, str, str]]] = {
    layout.PLANS: (layout.plan_path("new"), "raises", "lowers"),
    layout.CONCLUSIONS: (layout.conclusion_path("new"), "supported", "refuted"),
    layout.TOMBSTONES: (layout.tombstone_path("new"), "supported", "refuted"),
    layout.RUNS: (layout.run_json(RUN), ADA.name, "Eve"),  # type: ignore[arg-type]
    "samples": (layout.samples_csv(RUN), "0.6", "0.1"),  # type: ignore[arg-type]
    layout.ENVIRONMENTS: (f"{layout.ENVIRONMENTS}/{DIGEST}/environment.json", "3.11", "3.12"),
    layout.WITNESSES: (f"{layout.WITNESSES}/{DIGEST}/1-push.json", "origin", "elsewhere"),
    layout.CONFIG: (layout.CONFIG, "train.py", "cheat.py"),
}
# What the base, we and they have of it: nothing, the one version, the other, a third.
SHAPES: Final = {
    "both made it": (None, 0, 1),
    "both changed it": (2, 0, 1),
    "they deleted it": (2, 0, None),
    "we deleted it": (2, None, 1),
}


def test_every_folder_of_records_is_in_the_table() -> None:
    told = {value for value in vars(layout).values() if str(value).startswith(".gitexp/")}
    assert told - {layout.TMP, layout.ATTRIBUTES} == KINDS.keys() - {"samples"}


@pytest.fixture
def ours(repo: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    experiment(Lab(repo))
    clone(repo, tmp_path / "hub.git", "--bare")
    repo.git("remote", "add", "origin", (tmp_path / "hub.git").as_uri())
    return repo


def versions(repo: BuiltRepo, kind: str) -> tuple[bytes, bytes, bytes]:
    path, one, other = KINDS[kind]
    like = {layout.PLANS: "experiments/deep", layout.RUNS: "run.json", "samples": "samples.csv",
            layout.CONFIG: "config.yaml"}.get(kind, "none")  # fmt: skip
    there = next((each for each in repo.files("exp/deep") if like in each), "")
    text = repo.show(there, "exp/deep") if there else f"verdict: {one}\n"
    if kind == layout.RUNS:
        old = there.split("/")[3]
        text = text.replace(f'"{old}"', f'"{RUN}"')
    assert one in text, path
    return text.encode(), text.replace(one, other).encode(), text.replace(one, "third").encode()


@pytest.mark.sweep(1)
@pytest.mark.parametrize("person", [False, True])
def test_two_versions_are_for_a_person_and_nothing_moves(ours: BuiltRepo, *, person: bool) -> None:
    at = Stranger(ours, "origin")
    note = {"note.md": b"a person's"} if person else {}
    paths, tips, start = {}, {}, ours.hash("exp/deep")
    for number, (kind, (path, *_)) in enumerate(KINDS.items()):
        made = versions(ours, kind)
        for word, parts in SHAPES.items():
            base, own, their = (None if part is None else made[part] for part in parts)
            common = at.commit({path: base}, parent=start, tree=start)
            branch = f"exp/{number}-{word.replace(' ', '-')}"
            paths[branch] = path
            tips[branch] = [
                at.commit({path: data, **more}, parent=common, tree=common)
                for data, more in ((own, note), (their, {}))
            ]
    record = {layout.conclusion_path("new"): b"x"}
    other = {layout.conclusion_path("old"): b"y"}
    for word, theirs in (("other", other), ("same", record | other)):  # the control
        tips[f"exp/{word}"] = [
            at.commit(each, parent=start, tree=start) for each in (record | note, theirs)
        ]
    for branch, (own, _) in tips.items():
        at.git("update-ref", f"refs/heads/{branch}", own)
    at.git("push", "-q", "origin", *(f"{their}:refs/heads/{b}" for b, (_, their) in tips.items()))
    found = {move.branch: move for move in sync(ours.workspace, data=False).branches}
    for branch in ("exp/other", "exp/same"):
        assert found[branch].way in {BranchOutcome.REPLAYED, BranchOutcome.MERGED}, found[branch]
    settled = [branch for branch in paths if found[branch].way is not BranchOutcome.FAILED]
    assert settled == []
    for branch, path in paths.items():
        assert path in found[branch].why
        assert ours.hash(branch) == tips[branch][0]
        there = at.git("ls-remote", "origin", f"refs/heads/{branch}").split()[0]
        assert there == tips[branch][1]


def test_what_only_they_call_an_output_is_no_output(ours: BuiltRepo) -> None:
    at = Stranger(ours, "origin")
    settings = ours.show(layout.CONFIG, "exp/deep")
    forged = settings.replace("metrics.json", "train.py")
    assert forged != settings
    start = ours.hash("exp/deep")
    own = at.commit({"train.py": b"ours", "note.md": b"x"}, parent=start, tree=start)
    their = {"train.py": b"theirs", layout.CONFIG: forged.encode()}
    ours.git("switch", "-q", "main")
    at.git("update-ref", "refs/heads/exp/deep", own)
    theirs = at.commit(their, parent=start, tree=start)
    at.git("push", "-q", "-f", "origin", f"{theirs}:refs/heads/exp/deep")
    (move,) = sync(ours.workspace, ["deep"], data=False).branches
    assert (move.way, ours.show("train.py", "exp/deep")) == (BranchOutcome.FAILED, "ours")
