"""What went past the hooks of a commit is met by those of a push, and by the gate of the server."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.enforcement.check import RemoteFacts, check
from gitexp.enforcement.hooks.install import install
from gitexp.experiments.conclude import conclude
from gitexp.git.transaction import layout
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import CommitHash
from gitexp.records import codec
from gitexp.records import config as config_format
from gitexp.records import plan as plan_format
from tests.enforcement.hooks.world import PLAN, call, template
from tests.lab.build import BuiltRepo, clone, copied, dvc, repository
from tests.lab.records import CONFIG, Lab, scores
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import Content

OFF = ("-c", "core.hooksPath=/dev/null")
END = layout.conclusion_path("deep")


def pair(folder: Path, make: Callable[[Path], None]) -> BuiltRepo:
    """Copy a server and a clone of it, made once in a folder of both; return the clone."""
    copied(folder, make, "a server with exp/deep", make.__name__)
    config = folder / "clone/.git/config"
    url = (folder / "server.git").resolve().as_uri()
    config.write_text(re.sub(r"(?m)^(\turl = ).*$", rf"\g<1>{url}", config.read_text("utf-8")))
    return BuiltRepo((folder / "clone").resolve(), hooks=False)  # about those of a push


def with_hooks(folder: Path) -> None:
    folder.mkdir()
    made = template(folder.with_name("made"))
    server = repository(folder / "server.git", bare=True)
    made.git(*OFF, "push", "-q", str(server.path), "main", "exp/deep")
    repo = clone(server, folder / "clone")
    repo.switch("exp/deep")
    install(repo.workspace)


def with_gate(folder: Path) -> None:
    pair(folder, with_hooks)
    install(BuiltRepo(folder / "server.git").workspace)


def with_a_merge(folder: Path) -> None:
    repo = pair(folder, with_gate)
    lab = Lab(repo)
    plan = plan_format.load(repo.show(PLAN).encode(), PLAN)
    for letter, of, value in (("b", "main", 0.6), ("c", "HEAD", 0.7)):
        lab.record(letter, {"f1": scores(value, range(6))}, of=of, plan=plan)
    conclude(repo.workspace, words="Deeper is better.")
    repo.git(*OFF, "switch", "-q", "main")
    repo.git(*OFF, "merge", "-q", "--no-ff", "--no-edit", "exp/deep")
    assert call(repo, *OFF, "push", "-q", "origin", "main", "exp/deep").code == 0


@pytest.fixture
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> BuiltRepo:
    """A clone with hooks, of a server that has ``main`` and ``exp/deep``, and a gate if asked."""
    if "merged" in request.fixturenames:
        return pair(tmp_path, with_a_merge)
    return pair(tmp_path, with_gate if "server" in request.fixturenames else with_hooks)


@pytest.fixture
def server(repo: BuiltRepo) -> BuiltRepo:
    """The same server, with its gate."""
    return BuiltRepo(repo.path.parent / "server.git")


def drop_the_plan(repo: BuiltRepo) -> None:
    repo.git("rm", "-q", PLAN)
    repo.git(*OFF, "commit", "-qm", "bad")


# --- pre-push -------------------------------------------------------------------------------------


def test_a_push_is_refused_for_any_of_its_commits(repo: BuiltRepo) -> None:
    drop_the_plan(repo)
    repo.git(*OFF, "commit", "-q", "--allow-empty", "-m", "more")
    said = call(repo, "push", "-q")
    assert said.code == 1
    assert "error[R1]: the plan of exp/deep is taken away" in said.err
    assert repo.hash("HEAD^")[:9] in said.err


def test_what_is_put_back_before_a_push_passes_it_and_the_gate(
    repo: BuiltRepo, server: BuiltRepo
) -> None:
    drop_the_plan(repo)
    assert call(repo, "push", "-q", "--no-verify").code == 1
    repo.git(*OFF, "revert", "--no-edit", "HEAD")
    assert call(repo, "push", "-q").code == 0
    assert server.hash("exp/deep") == repo.hash()


def test_what_the_remote_has_already_is_not_judged_again(repo: BuiltRepo) -> None:
    drop_the_plan(repo)
    repo.git(*OFF, "push", "-q")
    repo.git(*OFF, "revert", "--no-edit", "HEAD")
    assert call(repo, "push", "-q").code == 0


def test_other_branches_tags_and_deletions_pass(repo: BuiltRepo) -> None:
    drop_the_plan(repo)
    repo.git("tag", "v1")
    assert call(repo, "push", "-q", "origin", "HEAD:topic", "v1").code == 0
    assert call(repo, "push", "-q", "origin", ":topic", ":exp/deep").code == 0


def test_a_new_experiment_is_judged_whole_but_for_what_experiments_and_main_have(
    repo: BuiltRepo,
) -> None:
    repo.switch("exp/other", create=True)
    said = call(repo, "push", "-q", "origin", "exp/other")
    assert said.code == 1
    assert "exp/other has no plan" in said.err


def test_a_push_to_an_address_and_of_everything_is_judged(repo: BuiltRepo) -> None:
    url = repo.git("remote", "get-url", "origin")
    drop_the_plan(repo)
    assert "error[R1]" in call(repo, "push", "-q", url, "exp/deep").err
    assert "error[R1]" in call(repo, "push", "-q", "--all").err


def test_the_framework_tells_it_by_variables(repo: BuiltRepo) -> None:
    drop_the_plan(repo)
    told = {
        "PRE_COMMIT_REMOTE_NAME": "origin",
        "PRE_COMMIT_REMOTE_BRANCH": "refs/heads/exp/deep",
        "PRE_COMMIT_FROM_REF": repo.hash("HEAD^"),
        "PRE_COMMIT_TO_REF": repo.hash(),
    }
    done = gitexp(repo, "hook", "pre-push", env=told)
    assert done.code == 1
    assert done.says("error[R1]")


def test_data_that_nobody_could_fetch_are_named(dvc_repo: BuiltRepo, tmp_path: Path) -> None:
    config = ProjectConfig(pipeline="dvc.yaml", metrics=("metrics.json",))
    dvc_repo.commit({layout.CONFIG: config_format.dump_template(config)})
    (tmp_path / "data").mkdir()
    dvc(dvc_repo.path, "remote", "add", "--quiet", "--default", "there", str(tmp_path / "data"))
    dvc_repo.git("commit", "-qam", "where data go")
    server = repository(tmp_path / "server.git", bare=True)
    dvc_repo.git("remote", "add", "origin", str(server.path))
    dvc_repo.git("push", "-q", "origin", "main")
    Lab(dvc_repo).plan()
    dvc_repo.write({"raw.csv": "7\n"})
    dvc(dvc_repo.path, "repro", "--quiet")
    dvc_repo.git("commit", "-qam", "other data")
    install(dvc_repo.workspace)
    said = call(dvc_repo, "push", "-q", "origin", "exp/deep")
    assert said.code == 0
    assert (
        "warning[R10]: prepared.csv and 1 more of this commit is not on the DVC remote" in said.err
    )
    dvc(dvc_repo.path, "push", "--quiet")
    assert "R10" not in call(dvc_repo, "push", "-q", str(server.path), "exp/deep:exp/deep").err


# --- pre-receive ----------------------------------------------------------------------------------


def test_the_gate_refuses_what_no_client_refused_and_all_refs_of_that_push(
    repo: BuiltRepo, server: BuiltRepo
) -> None:
    before = server.refs()
    drop_the_plan(repo)
    said = call(repo, "push", "-q", "--no-verify", "origin", "exp/deep", "HEAD:topic")
    assert said.code == 1
    assert "remote: error[R1]" in said.err
    assert server.refs() == before


def test_the_gate_takes_what_is_in_order(repo: BuiltRepo, server: BuiltRepo) -> None:
    repo.commit({"train.py": "print(7)\n"})
    said = call(repo, "push", "-q", "origin", "exp/deep", "HEAD:topic")
    assert (said.code, said.err) == (0, "")
    assert server.hash("exp/deep") == repo.hash()


def test_a_push_cannot_switch_the_gate_off_by_its_own_settings(
    repo: BuiltRepo, server: BuiltRepo
) -> None:
    text = config_format.dump_template(CONFIG).decode()
    repo.write({layout.CONFIG: text.replace("rules:\n", "rules:\n  R1: 'off'\n")})
    repo.git("add", layout.CONFIG)
    drop_the_plan(repo)
    assert "error[R1]" in call(repo, "push", "-q", "--no-verify").err
    assert "exp/deep" in server.git("branch", "--list")


def test_what_came_on_another_branch_is_judged_when_it_becomes_an_experiments(
    repo: BuiltRepo, server: BuiltRepo
) -> None:
    drop_the_plan(repo)
    assert call(repo, "push", "-q", "origin", "HEAD:topic").code == 0
    assert "error[R1]" in call(repo, "push", "-q", "--no-verify", "origin", "HEAD:exp/deep").err
    assert server.hash("topic") == repo.hash()


def test_an_experiment_is_not_rewritten(repo: BuiltRepo, server: BuiltRepo) -> None:
    before = server.hash("exp/deep")
    repo.git("commit", "-q", "--amend", "-m", "other words")
    said = call(repo, "push", "-qf", "--no-verify")
    assert "error[refs]: exp/deep would lose commits" in said.err
    assert server.hash("exp/deep") == before
    assert call(repo, "push", "-qf", "origin", "HEAD:topic").code == 0
    repo.git("commit", "-q", "--amend", "-m", "third words")
    assert call(repo, "push", "-qf", "origin", "HEAD:topic").code == 0  # no experiment


def test_replacements_that_are_there_tell_no_other_history(
    repo: BuiltRepo, server: BuiltRepo
) -> None:
    """Both would look as if they went on from what is there, and the first without a bad commit."""
    before, tree = server.hash("exp/deep"), repo.tree()
    drop_the_plan(repo)
    repo.git(*OFF, "commit", "-q", "--allow-empty", "-m", "more")
    later = repo.hash()
    repo.git("replace", later, repo.git("commit-tree", tree, "-p", before, "-m", "a"))
    other = repo.git("commit-tree", tree, "-p", f"{before}^", "-m", "b")
    repo.git("replace", other, repo.git("commit-tree", tree, "-p", before, "-m", "c"))
    server.git("fetch", "-q", str(repo.path), "refs/replace/*:refs/replace/*")
    assert "error[R1]" in call(repo, "push", "-q", "origin", f"{later}:exp/deep").err
    for commit, rule in ((later, "R1"), (other, "refs")):
        said = call(repo, "push", "-qf", "--no-verify", "origin", f"{commit}:exp/deep")
        assert f"error[{rule}]" in said.err
    assert server.hash("exp/deep") == before


@pytest.mark.parametrize("ref", ["refs/replace/" + "1" * 40, "refs/remotes/origin/main"])
def test_the_gate_takes_no_ref_by_which_its_own_answers_go(
    repo: BuiltRepo, server: BuiltRepo, ref: str
) -> None:
    said = call(repo, "push", "-q", "--no-verify", "origin", f"HEAD:{ref}")
    assert f"error[refs]: {ref} says on the server whose" in said.err
    server.git("update-ref", ref, "HEAD")  # from before there was a gate
    assert call(repo, "push", "-q", "--no-verify", "origin", f":{ref}").code == 0
    assert ref not in server.refs()


@pytest.mark.parametrize("ref", ["refs/exps/ab/cd/x", "refs/notes/commits"])
def test_what_dvc_and_git_push_beside_branches_goes_through(
    repo: BuiltRepo, server: BuiltRepo, ref: str
) -> None:
    assert call(repo, "push", "-q", "--no-verify", "origin", f"HEAD:{ref}").code == 0
    assert ref in server.refs()


def test_the_branch_of_by_products_only_gains_commits(repo: BuiltRepo, server: BuiltRepo) -> None:
    """They keep the data of everybody's runs from being collected."""
    data = "refs/heads/gitexp/data"
    other = repo.git("commit-tree", repo.tree(), "-m", "unrelated")
    push = ("push", "-qf", "--no-verify", "origin")
    assert call(repo, *push, f"HEAD^:{data}").code == 0
    assert call(repo, *push, f"HEAD:{data}").code == 0
    for spec in (f"{other}:{data}", f"HEAD^:{data}", f":{data}"):
        assert "error[refs]: gitexp/data would lose commits" in call(repo, *push, spec).err
    assert server.hash(data) == repo.hash()


def test_an_experiment_is_deleted_only_when_an_archive_tag_contains_it(
    repo: BuiltRepo, server: BuiltRepo
) -> None:
    assert "no archive tag contains" in call(repo, "push", "-q", "origin", ":exp/deep").err
    server.git("update-ref", "refs/tags/exp-archive/deep", "exp/deep^")
    assert "no archive tag contains" in call(repo, "push", "-q", "origin", ":exp/deep").err
    server.git("update-ref", "-d", "refs/tags/exp-archive/deep")
    server.git("update-ref", "refs/tags/exp-archive/cover", "exp/deep")  # another's
    assert "no archive tag contains" in call(repo, "push", "-q", "origin", ":exp/deep").err
    repo.git("tag", "-am", "kept", "exp-archive/deep")
    said = call(repo, "push", "-q", "origin", "exp-archive/deep", ":exp/deep")  # in one push
    assert (said.code, said.err) == (0, "")
    assert "exp/deep" not in server.git("branch", "--list")


@pytest.mark.parametrize("by", ["another", "its author"])
def test_who_deletes_a_branch_takes_over_no_experiment_by_the_same_push(
    repo: BuiltRepo, server: BuiltRepo, by: str
) -> None:
    """Renamed with its author's name and date kept, and archived: it would be hers no more."""
    plan = plan_format.load(repo.show(PLAN).encode(), PLAN)
    new = replace(plan, name="taken", branch="exp/taken", formerly=("deep",))
    repo.git("switch", "--quiet", "--create", "exp/taken")
    if by == "another":
        repo.git("config", "user.name", "Mallory")
        repo.git("config", "user.email", "mallory@example.org")
    repo.git("rm", "--quiet", PLAN)
    path = repo.path / layout.plan_path("taken")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(codec.dump(new))
    repo.git("add", "--all")
    committer = [] if by == "its author" else ["--author", "Mallory <mallory@example.org>"]
    repo.git("commit", "--quiet", "--no-verify", "--message", "renamed", *committer)
    before = server.refs()
    push = ("push", "-q", "--no-verify", "origin", "HEAD:exp/taken", ":exp/deep")
    said = call(repo, *push)
    if by == "another":
        assert "error[R3]" in said.err
        assert server.refs() == before
    else:
        assert "error[R3]" not in said.err


def test_an_archive_tag_is_neither_moved_nor_deleted(repo: BuiltRepo, server: BuiltRepo) -> None:
    repo.git("tag", "-am", "kept", "exp-archive/deep")
    assert call(repo, "push", "-q", "origin", "exp-archive/deep", ":exp/deep").code == 0
    before = server.refs()
    repo.git("tag", "-fam", "again", "exp-archive/deep", "HEAD^")
    for args in (("-qf", "origin", "exp-archive/deep"), ("-q", "origin", ":exp-archive/deep")):
        assert "error[refs]" in call(repo, "push", *args).err
    assert server.refs() == before


def test_nobody_archives_for_good_what_goes_on(repo: BuiltRepo, server: BuiltRepo) -> None:
    """Whoever may push could end an experiment of others: the tag would keep its end from them."""
    before = server.refs()
    said = call(repo, "push", "-q", "origin", "exp/deep:refs/tags/exp-archive/deep")
    assert "exp-archive/deep has no conclusion of deep, and exp/deep goes on" in said.err
    assert server.refs() == before
    given_up = ("exp/deep:refs/tags/exp-archive/deep", ":exp/deep")
    assert call(repo, "push", "-q", "origin", *given_up).code == 0  # as `archive --abandon` does
    lab = Lab(repo)
    plan = plan_format.load(repo.show(PLAN).encode(), PLAN)
    for letter, of, value in (("b", "main", 0.6), ("c", "HEAD", 0.7)):
        lab.record(letter, {"f1": scores(value, range(6))}, of=of, plan=plan)
    assert call(repo, "push", "-q", "origin", "exp/deep").code == 0  # its owner goes on
    conclude(repo.workspace, words="Deeper is better.")
    assert gitexp(repo, "archive", "deep", "--push").code == 0
    ended = server.hash("refs/tags/exp-archive/deep^{}")
    assert ended == repo.hash("exp/deep")
    repo.commit({"notes.md": "more"}, at=60)
    late = call(repo, *OFF, "push", "-qf", "origin", "HEAD:refs/tags/exp-archive/deep")
    assert "neither moved nor deleted" in late.err


def test_the_gate_says_which_merged_experiment_has_no_archive_tag(
    repo: BuiltRepo, server: BuiltRepo
) -> None:
    lab, before = Lab(repo), repo.hash("main")
    plan = plan_format.load(repo.show(PLAN).encode(), PLAN)
    for letter, of, value in (("b", "main", 0.6), ("c", "HEAD", 0.7)):
        lab.record(letter, {"f1": scores(value, range(6))}, of=of, plan=plan)
    conclude(repo.workspace, words="Deeper is better.")
    repo.git(*OFF, "switch", "-q", "main")
    repo.git(*OFF, "merge", "-q", "--ff-only", "exp/deep")
    said = call(repo, *OFF, "push", "-q", "origin", "main")
    assert (
        "warning[R7]: deep is merged, and its archive tag exp-archive/deep is not here" in said.err
    )
    server.git("update-ref", "refs/heads/main", before)
    repo.git("tag", "-a", "exp-archive/deep", "-m", "kept", "exp/deep")
    assert "R7" not in call(repo, *OFF, "push", "-q", "origin", "main", "exp-archive/deep").err


@pytest.mark.sweep(3)
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("shows", ["branch", "tag", "pushed together", "nothing", "another run"])
def test_a_squash_into_main_has_its_order_from_its_branch_or_tag(
    repo: BuiltRepo, shows: str
) -> None:
    lab = Lab(repo)
    plan = plan_format.load(repo.show(PLAN).encode(), PLAN)
    for letter in "bc":
        lab.record(letter, {"f1": {0: 0.6}}, of="HEAD", plan=plan)
    if shows == "branch":
        assert call(repo, "push", "-q", "origin", "exp/deep").code == 0
    if shows == "tag":
        repo.git("tag", "-a", "exp-archive/deep", "-m", "kept", "exp/deep")
        assert call(repo, "push", "-q", "origin", "exp-archive/deep", ":exp/deep").code == 0
    repo.git(*OFF, "switch", "-q", "main")
    repo.git(*OFF, "merge", "-q", "--squash", "exp/deep")
    repo.git(*OFF, "commit", "-qm", "all of it")
    more = ["exp/deep"] if shows == "pushed together" else []
    if shows == "another run":  # its branch is on the server, and does not have all of these
        repo.git(*OFF, "push", "-q", "origin", "exp/deep~1:exp/deep")
    if shows in {"nothing", "another run"}:
        repo.git("branch", "-q", "-D", "exp/deep")
    here = call(repo, "push", "-q", "origin", "main", *more)
    there = call(repo, *OFF, "push", "-q", "origin", "main", *more)
    words = "nothing here shows that the plan was first"
    wrong = shows in {"nothing", "another run"}
    assert (here.code, words in here.err) == (int(wrong), wrong)
    assert (there.code, words in there.err) == (int(wrong), wrong)
    commit = CommitHash(repo.hash("main"))
    assert (
        RemoteFacts(repo.workspace).ordered(plan, commit, ()) is not wrong
    )  # `check` says the same


def test_an_empty_server_takes_main_first(repo: BuiltRepo, tmp_path: Path) -> None:
    fresh = repository(tmp_path / "fresh.git", bare=True)
    install(fresh.workspace)
    assert call(repo, "push", "-q", str(fresh.path), "origin/main:refs/heads/main").code == 0
    assert call(repo, "push", "-q", str(fresh.path), "exp/deep").code == 0


def test_without_python_the_gate_is_shut(repo: BuiltRepo, server: BuiltRepo) -> None:
    path = server.path / "hooks" / "pre-receive"
    text = path.read_text().replace("command -v gitexp", "command -v no-gitexp")
    path.write_text("\n".join("python=" if "python=" in x else x for x in text.split("\n")))
    said = call(repo, "push", "-q", "origin", "HEAD:topic")
    assert said.code == 1
    assert "nothing is taken" in said.err


# --- what is merged, and what is archived ---------------------------------------------------------


def checked(repo: BuiltRepo) -> list[str]:
    outside = RemoteFacts(repo.workspace, remote=True)
    return [item.rule for item in check(repo.workspace, "main~1..main", outside=outside).violations]


@pytest.fixture
def merged(repo: BuiltRepo) -> BuiltRepo:
    """A clone whose experiment the server's main has, concluded; its tag is nowhere yet."""
    return repo


def test_a_protected_branch_is_neither_rewritten_nor_deleted(
    merged: BuiltRepo, server: BuiltRepo
) -> None:
    server.git("config", "receive.denyDeleteCurrent", "ignore")
    before = server.refs()
    merged.git("checkout", "-q", "--orphan", "empty")
    merged.git(*OFF, "commit", "-qm", "other")
    for what in ("main~1:main", "exp/deep:main", "empty:main", ":main"):
        assert "error[refs]" in call(merged, *OFF, "push", "-qf", "origin", what).err, what
        assert server.refs() == before
    merged.git("switch", "-q", "main")
    merged.git(*OFF, "commit", "-q", "--allow-empty", "-m", "more")
    assert call(merged, *OFF, "push", "-qf", "origin", "main").code == 0  # the control


@pytest.mark.sweep(2, "there", "not merged")
@pytest.mark.parametrize("branch", ["there", "merged and gone", "not merged"])
def test_an_archive_tag_is_that_of_its_experiment(
    merged: BuiltRepo, server: BuiltRepo, branch: str
) -> None:
    """Whoever has the name first has it for ever."""
    if branch == "merged and gone":
        server.git("update-ref", "-d", "refs/heads/exp/deep")
    if branch == "not merged":
        server.git("update-ref", "refs/heads/main", "main~1")
    before = server.refs()
    tip = merged.hash("exp/deep")
    merged.git("switch", "-q", "--detach", "exp/deep")
    gone = [path for path in merged.files() if path.startswith(f"{layout.RUNS}/cc/")]
    merged.commit(dict.fromkeys(gone), at=50)
    merged.git("branch", "without-a-run")
    merged.git("checkout", "-q", "--orphan", "tree-alone", tip)
    merged.git(*OFF, "commit", "-qm", "all of it", at=51)
    plan = merged.git("show", f"{tip}:{PLAN}")
    merged.git("switch", "-q", "--detach", "main~1")
    merged.commit({PLAN: f"{plan}\n"}, at=52)
    merged.git("branch", "plan-alone")
    tries = ["main~1", "plan-alone", "without-a-run", f"{tip}:{PLAN}"]
    tries += ["tree-alone"] if branch != "merged and gone" else []
    if branch != "not merged":  # main says something else of it, or does not say that it is gone
        for path in (layout.conclusion_path("deep"), layout.tombstone_path("deep")):
            merged.git("switch", "-q", "--detach", "main")
            merged.commit({path: "said: otherwise\n"}, at=53)
            tries.append(merged.hash())
    for what in tries:
        pushed = f"{merged.git('rev-parse', what)}:refs/tags/exp-archive/deep"
        said = call(merged, *OFF, "push", "-q", "origin", pushed)
        assert said.code == 1, what
        assert server.refs() == before
    good = f"{tip}:refs/tags/exp-archive/deep"
    assert call(merged, *OFF, "push", "-q", "origin", good).code == 0  # the control
    server.git("update-ref", "-d", "refs/heads/exp/deep")
    for what, code in (("main~1:refs/heads/exp/deep", 1), (f"{tip}:refs/heads/exp/deep", 0)):
        assert call(merged, *OFF, "push", "-q", "origin", what).code == code, what


def test_a_tag_that_holds_something_else_is_no_archive(
    merged: BuiltRepo, server: BuiltRepo
) -> None:
    before = server.hash("main~1")
    server.git("update-ref", "refs/heads/main", before)
    server.git("update-ref", "refs/tags/exp-archive/deep", before)
    assert "exp-archive/deep has another plan" in call(merged, *OFF, "push", "origin", "main").err
    assert "R7" in str(checked(merged))
    server.git("update-ref", "refs/heads/main", before)
    server.git("update-ref", "refs/tags/exp-archive/deep", "exp/deep")
    assert "R7" not in call(merged, *OFF, "push", "origin", "main").err
    assert "R7" not in str(checked(merged))


CHANGED: Final[dict[str, Callable[[BuiltRepo], dict[str, Content]]]] = {
    "conclusion": lambda at: {END: at.show(END).replace("Deeper is better.", "It is noise.")},
    "no conclusion": lambda _: {END: None},
    "tombstone": lambda _: {layout.tombstone_path("deep"): "gone\n"},
    "a run less": lambda at: dict.fromkeys(x for x in at.files() if f"{layout.RUNS}/cc/" in x),
    "author": lambda at: {PLAN: at.show(PLAN).replace("Ada", "Eve")},
    "date": lambda at: {PLAN: re.sub("(?m)^created_at: .2", "created_at: '1", at.show(PLAN))},
}


@pytest.mark.sweep(4, "nothing", "a run less")
@pytest.mark.parametrize("what", [*CHANGED, "nothing"])
def test_a_merged_experiment_is_what_its_tag_holds(
    merged: BuiltRepo, server: BuiltRepo, what: str
) -> None:
    """R7, which asks of a tag that came before there was a gate; at the gate, and by `check`."""
    before = server.hash("main~1")
    merged.git("switch", "-q", "--detach", "exp/deep")
    merged.commit(CHANGED[what](merged) if what in CHANGED else {"a.py": "1"}, at=60)
    merged.git(*OFF, "push", "-q", "origin", "HEAD:refs/heads/aside")
    server.git("update-ref", "refs/tags/exp-archive/deep", "aside")
    server.git("update-ref", "refs/heads/main", before)
    words = "exp-archive/deep has another plan or conclusion, or not its runs"
    said = call(merged, *OFF, "push", "-q", "origin", "main")
    assert (words in said.err) is (what in CHANGED), said.err
    assert ("R7" in str(checked(merged))) is (what in CHANGED)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("start", ["main", "exp/deep"])
def test_no_new_branch_brings_the_plan_of_another_branch(repo: BuiltRepo, start: str) -> None:
    """Whether or not the commits have that branch's own; what exp/deep has may be built on."""
    plan = plan_format.load(repo.show(PLAN).encode(), PLAN)
    repo.git("switch", "-q", "-c", "exp/evil", start)
    own = replace(plan, name="evil", branch="exp/evil")
    repo.commit({layout.plan_path("evil"): codec.dump(own)}, at=60)
    second = layout.plan_path("second")
    repo.write({second: codec.dump(replace(plan, name="second"))})
    repo.git("add", "-f", second)
    repo.git(*OFF, "commit", "-qm", "a second plan")
    repo.git(*OFF, "commit", "-qm", "more", "--allow-empty")
    said = call(repo, *OFF, "push", "-q", "origin", "exp/evil")
    assert "R1" in said.err
    assert "the plan second names exp/deep, which is the branch of deep" in said.err
    repo.git("reset", "-q", "--hard", "HEAD~2")
    assert call(repo, *OFF, "push", "-q", "origin", "exp/evil").code == 0


@pytest.mark.usefixtures("server")
def test_no_new_branch_takes_the_name_of_a_branch_that_is_alive(repo: BuiltRepo) -> None:
    plan = plan_format.load(repo.show(PLAN).encode(), PLAN)
    repo.git("switch", "-q", "-c", "exp/evil", "main")
    repo.commit({PLAN: codec.dump(replace(plan, branch="exp/evil"))}, at=60)
    said = call(repo, *OFF, "push", "-q", "origin", "exp/evil")
    assert "R1" in said.err
    assert "the plan deep names exp/evil, and exp/deep is alive with its own" in said.err
    own = replace(plan, name="evil", branch="exp/evil")
    repo.git("reset", "-q", "--hard", "main")
    repo.commit({layout.plan_path("evil"): codec.dump(own)}, at=61)
    assert call(repo, *OFF, "push", "-q", "origin", "exp/evil").code == 0  # the control


def test_a_refused_archive_says_why(merged: BuiltRepo, server: BuiltRepo) -> None:
    server.git("update-ref", "refs/tags/exp-archive/deep", "exp/deep")
    merged.git("switch", "-q", "exp/deep")
    merged.commit({"notes.md": "more"}, at=60)
    merged.git("switch", "-q", "main")
    done = gitexp(merged, "archive", "deep", "--push")
    assert done.code
    assert done.says("neither moved nor deleted")
