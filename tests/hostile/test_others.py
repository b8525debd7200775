"""What a pull request does to records of others, to its own words, and to receipts."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.enforcement.check import RemoteFacts, check
from gitexp.enforcement.hooks.install import install
from gitexp.enforcement.review import review
from gitexp.experiments.conclude import conclude
from gitexp.experiments.rename import rename
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.model.ids import CommitHash
from gitexp.model.plan import Person
from gitexp.model.review import FailOn
from gitexp.model.rules import Policy
from gitexp.model.witness import Receipt, Way
from gitexp.records import codec
from gitexp.records import config as config_format
from gitexp.records import plan as plan_format
from gitexp.rules.ranges import Gained, check_range
from gitexp.store.conclusions import receipts
from gitexp.views.list_runs import list_experiments
from tests.enforcement.hooks.world import call
from tests.experiments.test_witness import setting, settings
from tests.lab.build import clone
from tests.lab.finished import hosted
from tests.lab.records import ADA, CONFIG, START, Lab, experiment, one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo, Content

__all__ = ["settings"]  # a fixture
PLAN, CONCLUSION = layout.plan_path("deep"), layout.conclusion_path("deep")
OFF = ("-c", "core.hooksPath=/dev/null")


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    """main has a finished experiment of Ada's, with a conclusion and a receipt."""
    found = Lab(repo)
    plan = experiment(found)
    receipt = Receipt(Way.PUSH, plan.digest, plan.baseline.commit, ADA, remote="origin")
    path = f"{layout.witness_dir(plan.digest)}/1-push.json"
    repo.commit({path: codec.dump(receipt)}, at=found.tick())
    conclude(repo.workspace, "deep", words="It pays.", now=START)
    repo.switch("main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "exp/deep", at=found.tick())
    return found


def mine(lab: Lab) -> Plan:
    return plan_format.load(lab.repo.show(PLAN).encode(), PLAN)


def text(lab: Lab, old: str, new: str, path: str = PLAN) -> dict[str, Content]:
    there = lab.repo.show(path)
    assert old in there
    return {path: there.replace(old, new)}


def receipt_of(lab: Lab) -> str:
    return next(path for path in lab.repo.files() if path.startswith(layout.WITNESSES))


CHANGES: dict[str, Callable[[Lab], dict[str, Content]]] = {
    "tombstone": lambda _: {layout.tombstone_path("deep"): "gone\n"},
    "plan gone": lambda _: {PLAN: None},
    "plan and conclusion gone": lambda _: {PLAN: None, CONCLUSION: None},
    "plan unreadable": lambda _: {PLAN: "{"},
    "hypothesis": lambda lab: text(lab, "A deeper model raises", "A wider model raises"),
    "author": lambda lab: {
        PLAN: codec.dump(replace(mine(lab), author=Person("M", "m@example.org")))
    },
    "date": lambda lab: {
        PLAN: codec.dump(replace(mine(lab), created_at=datetime(2001, 1, 1, tzinfo=UTC)))
    },
    "conclusion gone": lambda _: {CONCLUSION: None},
    "words": lambda lab: text(lab, "It pays.", "It does not.", CONCLUSION),
    "receipt gone": lambda lab: {receipt_of(lab): None},
    "receipt": lambda lab: text(lab, "origin", "elsewhere", receipt_of(lab)),
}


def said(lab: Lab, branch: str, into: str | None = None) -> list[str]:
    found = review(lab.repo.workspace, "main...HEAD", branch=branch, into=into, now=START)
    broken = [item for item in found.violations if item.rule == "R3"]
    assert found.exit_code(FailOn.RULES) == any(item.policy is Policy.ERROR for item in broken)
    return [item.message for item in broken]


@pytest.mark.sweep(6)
@pytest.mark.parametrize("branch", ["patch-1", "exp/other", "", "main", "exp/deep"])
@pytest.mark.parametrize("what", CHANGES)
def test_nobody_changes_what_others_recorded(lab: Lab, what: str, branch: str) -> None:
    lab.repo.git("switch", "-q", "-c", "patch")
    lab.repo.commit(CHANGES[what](lab), at=lab.tick())
    found = said(lab, branch, into="main")
    assert found
    assert all("deep" in text or "witness" in text for text in found)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("branch", ["patch-1", "exp/other", "", "main"])
def test_nobody_concludes_an_experiment_of_others(lab: Lab, branch: str) -> None:
    words = lab.repo.show(CONCLUSION)
    lab.repo.switch("main")
    lab.repo.commit({CONCLUSION: None}, at=lab.tick())
    lab.repo.git("switch", "-q", "-c", "patch")
    lab.repo.commit({CONCLUSION: words.replace("It pays.", "It does not.")}, at=lab.tick())
    (found,) = said(lab, branch, into="main")
    assert found == "a conclusion of another experiment, deep on exp/deep, was added"
    (found,) = said(lab, "exp/deep", into="main")  # a name that anybody may give his branch
    assert found == "a conclusion of another experiment, deep on exp/deep, was added"
    own = lab.repo.hash("exp/deep")
    lab.repo.git("branch", "-f", "exp/deep")
    assert said(lab, "exp/deep", into="main") == []  # the control: its own branch may
    lab.repo.git("branch", "-f", "exp/deep", own)
    step = f"restore --source=main --staged --worktree -- {CONCLUSION}"
    lab.repo.git(*step.split())
    lab.repo.git(*OFF, "commit", "-q", "-m", "as it was", at=lab.tick())
    assert said(lab, "patch", into="main") == []


UNMERGED: dict[str, Callable[[Lab], dict[str, Content]]] = {
    "a conclusion": lambda lab: {CONCLUSION: lab.repo.show(CONCLUSION, "theirs")},
    "a forged one": lambda lab: text_at(lab, "It pays.", "It does not."),
    "both, forged": lambda lab: {
        PLAN: lab.repo.show(PLAN, "theirs"), **text_at(lab, "It pays.", "It does not."),
    },
    "rubbish": lambda _: {layout.conclusion_path("zz"): "x: 1\n"},
    "receipts": lambda lab: {
        f"{layout.witness_dir(planned(lab).digest)}/0-{n}.json": "{}" for n in range(3)
    },
    "receipts beside the plan": lambda lab: {
        PLAN: lab.repo.show(PLAN, "theirs"),
        f"{layout.witness_dir(planned(lab).digest)}/2-push.json": "{}",
    },
}  # fmt: skip


def planned(lab: Lab) -> Plan:
    return plan_format.load(lab.repo.show(PLAN, "theirs").encode(), PLAN)


def text_at(lab: Lab, old: str, new: str) -> dict[str, Content]:
    return {CONCLUSION: lab.repo.show(CONCLUSION, "theirs").replace(old, new)}


@pytest.mark.parametrize("what", UNMERGED)
def test_nobody_concludes_or_witnesses_what_main_does_not_have_yet(
    repo: BuiltRepo, what: str
) -> None:
    lab = Lab(repo)
    experiment(lab)
    conclude(repo.workspace, "deep", words="It pays.", now=START)
    repo.git("tag", "theirs")
    repo.git("switch", "-q", "-c", "fix-typo", "main")
    repo.commit(UNMERGED[what](lab), at=lab.tick())
    assert said(lab, "fix-typo", into="main")
    if PLAN not in repo.files():
        repo.git("revert", "--no-edit", "HEAD")
        assert said(lab, "fix-typo", into="main") == []


@pytest.mark.parametrize("way", ["squash", "merge", "its branch is gone"])
def test_an_experiment_comes_whole_into_another_branch(repo: BuiltRepo, way: str) -> None:
    lab = Lab(repo)
    experiment(lab)
    conclude(repo.workspace, "deep", words="It pays.", now=START)
    repo.git("switch", "-q", "-c", "develop", "main")
    if way == "merge":
        repo.git("merge", "-q", "--no-ff", "--no-edit", "exp/deep", at=lab.tick())
    else:
        repo.git("merge", "-q", "--squash", "exp/deep")
        repo.git(*OFF, "commit", "-qm", "all of it", at=lab.tick())
    if way == "its branch is gone":
        repo.git("branch", "-D", "exp/deep")
    found = review(repo.workspace, "main...HEAD", branch="develop", into="main", now=START)
    assert "R3" not in [item.rule for item in found.violations]


def test_no_number_of_receipts_hides_one(lab: Lab) -> None:
    folder = layout.witness_dir(mine(lab).digest)
    lab.repo.commit({f"{folder}/0-{n}.json": "{}" for n in range(100)}, at=lab.tick())
    repo = open_repository(lab.repo.workspace)
    found = receipts(repo, CommitHash(lab.repo.hash()), mine(lab).digest)
    assert found[0].receipt is not None


def test_what_was_taken_away_of_others_may_be_put_back(lab: Lab) -> None:
    words = lab.repo.show(CONCLUSION)
    lab.repo.git("switch", "-q", "-c", "patch")
    lab.repo.commit({CONCLUSION: None}, at=lab.tick())
    assert said(lab, "patch", into="main")
    lab.repo.commit({CONCLUSION: words}, at=lab.tick())
    assert said(lab, "patch", into="main") == []


@pytest.mark.parametrize("what", ["author", "date", "receipt", "receipt gone"])
def test_nobody_changes_who_made_a_plan_and_when_nor_what_a_witness_said(
    lab: Lab, what: str
) -> None:
    lab.repo.git("switch", "-q", "exp/deep")
    lab.repo.commit(CHANGES[what](lab), at=lab.tick())
    assert said(lab, "exp/deep")


def test_an_author_mends_his_own_words_and_it_is_said(lab: Lab) -> None:
    lab.repo.git("switch", "-q", "exp/deep")
    lab.repo.commit(CHANGES["hypothesis"](lab), at=lab.tick())
    lab.repo.commit(CHANGES["words"](lab), at=lab.tick())
    assert said(lab, "exp/deep") == [
        "the conclusion of this experiment, deep on exp/deep, was changed",
        "the plan of this experiment, deep on exp/deep, was changed",
    ]  # as warnings: main has both
    (warning,) = [text for text in one(lab).warnings if "reworded" in text]
    assert warning.endswith("it was: A deeper model raises F1 by at least 5 %.")


def test_an_experiment_mends_its_own_records_on_its_branch_and_nobody_elsewhere(lab: Lab) -> None:
    """Under whatever name the commits are reviewed; and with what main did meanwhile."""
    lab.repo.switch("main")
    plan = lab.plan("wide")
    lab.repo.switch("main")
    lab.repo.commit(CHANGES["words"](lab), at=lab.tick())
    lab.repo.git("switch", "-q", "-c", "patch", "exp/wide")
    lab.repo.git("merge", "-q", "--no-edit", "main")
    other = codec.dump(replace(plan, hypothesis="A wider model raises F1 by 5 %."))
    lab.repo.commit({layout.plan_path("wide"): other}, at=lab.tick())
    (found,) = said(lab, "exp/wide")
    assert found == "the plan of another experiment, wide on exp/wide, was changed"
    assert said(lab, "patch-1") == [found]
    lab.repo.git("branch", "-f", "exp/wide")
    assert said(lab, "patch-1") == said(lab, "exp/wide") == []
    renamed = replace(plan, name="wider", branch="exp/wider", formerly=("wide",))
    alive = ["wider on exp/wider goes on with wide, and exp/wide is alive"]  # a warning
    files: dict[str, Content] = {layout.plan_path("wider"): codec.dump(renamed)}
    lab.repo.commit({**files, layout.plan_path("wide"): None}, at=lab.tick())
    assert said(lab, "exp/wider") == alive
    lab.repo.git("branch", "-m", "exp/wide", "exp/wider")
    lab.repo.git("branch", "-f", "exp/wider")
    assert said(lab, "exp/wider") == []  # the branch on which the plan was changed is gone
    squashed = ("commit-tree", "HEAD^{tree}", "-p", "main", "-m", "squashed")
    lab.repo.git("branch", "-f", "main", lab.repo.git(*squashed, at=lab.tick()))
    lab.repo.git("branch", "-D", "exp/wider")
    assert said(lab, "next") == []  # stacked on it: main has what became of that


STACKED: dict[str, Callable[[Lab], dict[str, Content]]] = {
    **{what: CHANGES[what] for what in CHANGES if "receipt" not in what},
    "concluded": lambda lab: {CONCLUSION: lab.repo.show(CONCLUSION, "aside")},
    "unreadable, then gone": lambda _: {PLAN: "{"},
}


@pytest.mark.sweep(5)
@pytest.mark.parametrize("place", ["refs/heads", "refs/remotes/origin", ""])
@pytest.mark.parametrize("what", STACKED)
def test_who_builds_on_a_colleagues_branch_changes_none_of_its_records(
    repo: BuiltRepo, what: str, place: str
) -> None:
    """Before it is merged; by a commit before one's own plan or after it, and under its name."""
    lab = Lab(repo)
    plan = experiment(lab)
    conclude(repo.workspace, "deep", words="It pays.", now=START)
    repo.git("branch", "aside")
    if what == "concluded":
        repo.git("reset", "-q", "--hard", "HEAD^")
    start, evil = repo.hash(), replace(plan, name="evil", branch="exp/evil")
    repo.git("update-ref", "-d", "refs/heads/exp/deep")
    if place:
        repo.git("update-ref", f"{place}/exp/deep", start)

    def found(name: str) -> bool:
        broken = check(repo.workspace, "main..HEAD", branch=name).violations
        return any(item.rule == "R3" for item in broken)

    for number, name in enumerate(("exp/evil", "exp/evil", "exp/deep")):
        repo.git("switch", "-q", "--detach", start)
        added: dict[str, Content] = {layout.plan_path("evil"): codec.dump(evil)}
        repo.commit(added if number else {"a.py": "1"}, at=lab.tick())
        assert not found(name)  # the control
        repo.commit(STACKED[what](lab), at=lab.tick())
        if what.endswith("then gone"):
            repo.commit({PLAN: None, CONCLUSION: None}, at=lab.tick())
        repo.commit({"b.py": "1"} if number else added, at=lab.tick())
        known = bool(place) or (name == "exp/evil" and what not in {"concluded", "tombstone"})
        assert found(name) is (known or what in {"author", "date"}), (what, place, number)


def test_a_date_and_a_name_that_only_a_file_gives_are_said(repo: BuiltRepo) -> None:
    lab = Lab(repo)
    lab.init()
    plan = lab.plan()
    old = replace(
        plan, created_at=datetime(2001, 1, 1, tzinfo=UTC), author=Person("Bob", "b@example.org")
    )
    repo.write({PLAN: codec.dump(old)})
    repo.git("commit", "-q", "-a", "--amend", "--no-edit", at=lab.tick())
    found = review(repo.workspace, "main...exp/deep", now=START)
    (reviewed,) = found.experiments
    assert reviewed.plan.order.why.endswith(
        "the plan says 2001-01-01, its commit 2024-01-01; "
        "the plan says Bob, its commit Ada Lovelace"
    )
    (line,) = list_experiments(repo.workspace).experiments
    assert line.created_at is not None
    assert line.created_at.year == 2024, "no older than its baseline"


@pytest.mark.parametrize("name", ["evil", "exp/deep"])
def test_what_a_fetched_branch_makes_of_records_changes_no_answer_about_them(
    lab: Lab, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs = (
        ("compare", "exp/deep", "--json"), ("show", "deep", "--json"), ("show", "deep"),
        ("check", "exp/deep"), ("review", "main~1...exp/deep"), ("status",), ("logs",),
    )  # fmt: skip

    def answers() -> list[tuple[int, str]]:
        found = []
        for verb in verbs:
            code = dispatch(["-C", str(lab.repo.path), *verb])
            said = re.sub(r'"(compared|reviewed)_at": "[^"]*"', "", capsys.readouterr().out)
            found.append((code, said))
        return found

    lab.repo.switch("exp/deep")
    before = answers()
    lab.repo.git("switch", "-q", "-c", "evil")
    runs = [path for path in lab.repo.files() if "/runs/" in path]
    forged = text(lab, "0.6", "0.9", next(path for path in runs if path.endswith("samples.csv")))
    forged |= {next(path for path in runs if "cccc" in path and path.endswith("run.json")): None}
    forged |= CHANGES["hypothesis"](lab) | {CONCLUSION: None, receipt_of(lab): None}
    lab.repo.commit(forged, at=lab.tick())
    lab.repo.switch("exp/deep")
    lab.repo.git("update-ref", f"refs/remotes/mallory/{name}", "evil")
    lab.repo.git("branch", "-D", "evil")
    assert answers() == before


# --- merges, and names ----------------------------------------------------------------------------


def tree_with(lab: Lab, of: str, path: str, source: str) -> str:
    """Return the tree of a commit in which one file is as another commit has it, or is gone."""
    lab.repo.git("read-tree", of)
    lab.repo.git("update-index", "--force-remove", "--", path)
    entry = lab.repo.git("ls-tree", source, "--", path)
    if entry:
        mode, _, rest = entry.partition(" ")
        id_ = rest.partition(" ")[2].partition("\t")[0]
        lab.repo.git("update-index", "--add", "--cacheinfo", f"{mode},{id_},{path}")
    return lab.repo.git("write-tree")


def test_no_merge_takes_away_or_turns_back_what_a_parent_has(lab: Lab) -> None:
    """Every kind of record, gone or older, in every order of parents, where they part and how.

    Judged as a pull request, and as a push of which nobody knows what it is held against.
    """
    repo = lab.repo
    tombstone = layout.tombstone_path("wide")
    repo.commit({tombstone: "gone\n"}, at=lab.tick())
    kinds = [PLAN, CONCLUSION, receipt_of(lab), tombstone]
    kinds += [path for path in repo.files() if "environments/" in path][:1]
    start = repo.git("rev-list", "--max-parents=0", "main")
    before = repo.hash()
    newer: dict[str, Content] = {path: f"{repo.show(path)}\n# later\n" for path in kinds}
    newer |= text(lab, "It pays.", "It does not.", CONCLUSION)
    newer |= text(lab, "A deeper model raises", "A wider model raises")
    repo.commit(newer, at=lab.tick())
    main = repo.hash()
    objects = open_repository(repo.workspace)

    def commit(tree: str, *parents: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        return repo.git("commit-tree", tree, *words, "-m", "x", at=lab.tick())

    def broken(tip: str) -> list[set[str]]:
        listed = repo.git("rev-list", "--reverse", "--topo-order", tip, "^main").split()
        commits = tuple(map(CommitHash, listed))
        found = []
        for base, later in ((CommitHash(main), Policy.ERROR), (None, Policy.OFF)):
            gained = Gained(commits, commits[-1], "patch-1", base, later=later)
            violations, _ = check_range(objects, gained)
            found.append({item.where.path for item in violations if item.rule == "R3"})
        return found

    side = commit(f"{start}^{{tree}}", start)
    for path in kinds:
        for old in (start, before):
            bad = tree_with(lab, main, path, old)
            own = commit(f"{old}^{{tree}}", old)
            brought = commit(tree_with(lab, old, path, main), old)
            lines = {
                "another's first": (own, main),
                "main's first": (main, own),
                "octopus": (own, side, main),
                "octopus, main's in the middle": (side, main, own),
                "without a common ancestor": (commit(tree_with(lab, start, path, old)), main),
            }
            if old == start and "environments/" not in path:
                lines["brought and dropped before"] = (commit(f"{old}^{{tree}}", brought), main)
            for how, parents in lines.items():
                assert broken(commit(bad, *parents)) == [{path}, {path}], (path, old, how)
                if old == start or "without" not in how:  # the control
                    good = commit(f"{main}^{{tree}}", *parents)
                    assert broken(good) == [set(), set()], (path, old, how)
            merged = commit(f"{main}^{{tree}}", own, main)
            if path in {PLAN, CONCLUSION, receipt_of(lab)}:  # brought, met, and written over
                merged = commit(f"{main}^{{tree}}", brought, main)
                assert broken(commit(bad, merged)) == [{path}, {path}], (path, old)


def test_a_branch_that_is_called_like_a_protected_one_has_but_its_name(lab: Lab) -> None:
    lab.repo.switch("main")
    config = config_format.dump_template(replace(CONFIG, protected=("main", "release/*")))
    lab.repo.commit({layout.CONFIG: config}, at=lab.tick())
    lab.repo.git("switch", "-q", "-c", "patch")
    lab.repo.commit({PLAN: None, CONCLUSION: None}, at=lab.tick())
    assert len(said(lab, "release/1", into="main")) == 2
    for name in ("release/1", "main"):
        found = check(lab.repo.workspace, "main..patch", branch=name).violations
        assert len([item for item in found if item.rule == "R3"]) == 2


@pytest.mark.parametrize("how", ["another's", "kept beside", "renamed", "of its own branch"])
def test_nobody_goes_on_with_anothers_experiment_under_another_name(lab: Lab, how: str) -> None:
    plan = replace(mine(lab), name="evil", branch="exp/evil", formerly=("deep",))
    if how == "another's":
        plan = replace(plan, author=Person("M", "m@example.org"))
    lab.repo.git("switch", "-q", "-c", "exp/evil" if how == "of its own branch" else "patch")
    files: dict[str, Content] = {layout.plan_path("evil"): codec.dump(plan)}
    files |= {} if how == "kept beside" else {PLAN: None, CONCLUSION: None}
    lab.repo.commit(files, at=lab.tick())
    found = review(lab.repo.workspace, "main...HEAD", branch="exp/evil", into="main", now=START)
    told = [item for item in found.violations if item.rule == "R3"]
    assert told
    assert ("says that it was" in " ".join(x.message for x in told)) is (how[0] in "ak")
    assert any(item.policy is Policy.ERROR for item in told) is (how != "of its own branch")


def test_a_plan_that_says_nothing_is_refused_whatever_the_branch_is_called(lab: Lab) -> None:
    lab.repo.git("switch", "-q", "-c", "patch")
    plan = replace(mine(lab), name="wide", branch="exp/wide", hypothesis="TODO")
    path = layout.plan_path("wide")
    for hypothesis, broken in (("TODO", True), ("A wider model raises F1 by 5 %.", False)):
        lab.repo.commit({path: codec.dump(replace(plan, hypothesis=hypothesis))}, at=lab.tick())
        found = review(lab.repo.workspace, "main...HEAD", branch="patch", into="main", now=START)
        assert bool([x for x in found.violations if x.rule == "R1"]) is broken


@pytest.mark.parametrize("branch", ["exp/deep", "exp/evil", "main"])
def test_no_second_plan_names_the_branch_of_another(lab: Lab, branch: str) -> None:
    lab.repo.git("switch", "-q", "-c", "exp/evil")
    plan = replace(mine(lab), name="evil", branch=branch)
    lab.repo.commit({layout.plan_path("evil"): codec.dump(plan)}, at=lab.tick())
    found = check(lab.repo.workspace, "main..exp/evil").violations
    told = [item for item in found if "is the branch of deep" in item.message]
    assert [item.policy for item in told] == [Policy.ERROR] * (branch == "exp/deep")


@pytest.mark.sweep(5)
@pytest.mark.parametrize("place", ["refs/heads", "refs/remotes/origin", ""])
@pytest.mark.parametrize("how", ["renamed", "kept beside", "copied", "edited first"])
def test_nobody_takes_over_what_is_alive_by_a_new_name(
    repo: BuiltRepo, how: str, place: str
) -> None:
    """With the plan's author and date, before it is merged; by its author, it is said."""
    lab = Lab(repo)
    plan = experiment(lab)
    conclude(repo.workspace, "deep", words="It pays.", now=START)
    start, words = repo.hash(), repo.show(CONCLUSION)
    repo.git("switch", "-q", "--detach")
    repo.git("update-ref", "-d", "refs/heads/exp/deep")
    if place:
        repo.git("update-ref", f"{place}/exp/deep", start)
    new = codec.dump(replace(plan, name="evil", branch="exp/evil", formerly=("deep",)))
    files: dict[str, Content] = {layout.plan_path("evil"): new}
    if how in {"renamed", "edited first"}:
        files |= {PLAN: None, CONCLUSION: None, layout.conclusion_path("evil"): words}
    for who in ("Mallory <m@example.org>", f"{plan.author.name} <>", f"x <{plan.author.email}>"):
        repo.git("switch", "-q", "--detach", "main" if how == "copied" else start)
        if how == "edited first":
            repo.commit({CONCLUSION: words.replace("It pays.", "It does not.")}, at=lab.tick())
            repo.git("commit", "-q", "--amend", "--no-edit", "--author=Mallory <m@example.org>")
        repo.commit(files, at=lab.tick())
        repo.git("commit", "-q", "--amend", "--no-edit", f"--author={who}")
        repo.commit({"a.py": who}, at=lab.tick())
        found = check(repo.workspace, "main..HEAD", branch="exp/evil").violations
        told = [item for item in found if item.rule == "R3"]
        assert any("exp/deep is alive" in item.message for item in told) is bool(place)
        wrong = bool(place) and (who.startswith("M") or how == "edited first")
        assert any(item.policy is Policy.ERROR for item in told) is wrong


def test_an_honest_renaming_is_no_takeover(repo: BuiltRepo, tmp_path: Path) -> None:
    lab = Lab(repo)
    experiment(lab)
    host = hosted(repo, tmp_path / "host.git")
    rename(repo.workspace, "deep", "deeper")
    repo.git(*OFF, "push", "-q", "origin", "exp/deeper")
    for there in (True, False):
        found = check(repo.workspace, "main..exp/deeper").violations
        assert [item.policy for item in found if item.rule == "R3"] == [Policy.WARN] * there
        if there:
            host.git("update-ref", "-d", "refs/heads/exp/deep")
            repo.git("fetch", "-q", "--prune", "origin")


# --- receipts -----------------------------------------------------------------------------------


def required(repo: BuiltRepo) -> tuple[Lab, str, str]:
    """Return a project that asks for a witness, with a run whose receipt was written by hand."""
    lab = Lab(repo)
    lab.init(replace(CONFIG, witness_required=True))
    plan = lab.plan()
    commit = repo.hash()
    receipt = Receipt(Way.PUSH, plan.digest, CommitHash(commit), ADA, remote="origin")
    path = f"{layout.witness_dir(plan.digest)}/1-push.json"
    repo.commit({path: codec.dump(receipt)}, at=lab.tick())
    lab.change()
    lab.record("c", {"f1": {0: 0.6}}, plan=plan)
    return lab, path, commit


def unproved(lab: Lab) -> list[bool]:
    looked = review(lab.repo.workspace, "main...exp/deep", now=START).violations
    checked = check(lab.repo.workspace, outside=RemoteFacts(lab.repo.workspace)).violations
    return [
        any(item.rule == "R2" and "unproved" in item.message for item in found)
        for found in (looked, checked)
    ]


def test_a_receipt_that_was_written_by_hand_is_unproved(
    repo: BuiltRepo, settings: Path, tmp_path: Path
) -> None:
    lab, _, commit = required(repo)
    assert unproved(lab) == [True, True]
    log = tmp_path / "receipts.log"
    setting(settings, "gitexp.witnessLog", log)
    log.write_text(f"2026-01-01T00:00:00Z refs/heads/main {repo.hash('main')}\n")
    assert unproved(lab) == [True, True]
    log.write_text(f"2026-01-01T00:00:00Z refs/heads/exp/deep {commit}\n")
    assert unproved(lab) == [False, False]


def test_neither_a_run_nor_a_hook_takes_a_receipt_that_was_written_by_hand(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    required(repo)
    install(repo.workspace)
    clone(repo, tmp_path / "hub.git", "--bare", "--single-branch", "--branch", "main")
    repo.git("remote", "add", "origin", str(tmp_path / "hub.git"))
    repo.git("fetch", "-q", "origin")

    def waits() -> tuple[bool, ...]:
        ran = dispatch(["-C", str(repo.path), "run", "--dry-run"])
        repo.git(*OFF, "reset", "-q", "--soft", "HEAD^")
        said = call(repo, "commit", "-qm", "the run once more")
        if said.code:
            repo.git(*OFF, "commit", "-qm", "the run once more")
        pushed = call(repo, "push", "-q", "--dry-run", "origin", "exp/deep")
        return ran == 3, "unproved" in said.err, "unproved" in pushed.err

    assert waits() == (True, True, True)
    repo.git(*OFF, "push", "-q", "origin", "HEAD~2:refs/heads/exp/deep")  # the control: it has it
    assert waits() == (False, False, False)


def test_a_server_looks_into_its_own_log(repo: BuiltRepo, settings: Path, tmp_path: Path) -> None:
    lab, _, commit = required(repo)
    repo.switch("main")
    server = clone(repo, tmp_path / "server.git", "--bare", "--single-branch")
    install(server.workspace)
    env = {"GIT_CONFIG_GLOBAL": str(settings)}
    push = (*OFF, "push", "-q", str(server.path), "exp/deep")
    refused = call(repo, *push, env=env)
    assert refused.code == 1
    assert "unproved" in refused.err
    log = tmp_path / "receipts.log"
    log.write_text(f"2026-01-01T00:00:00Z refs/heads/exp/deep {commit}\n")
    setting(settings, "gitexp.witnessLog", log)
    assert call(repo, *push, env=env).code == 0
    del lab
