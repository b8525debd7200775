"""A conclusion: verdict, evidence and words, as a commit on the experiment's branch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.comparison.compare import compare
from gitexp.errors import (
    DetachedHeadError,
    ExistsError,
    NoPlanError,
    NoSamplesError,
    UnknownExperimentError,
    UnsafeInputError,
    UsageError,
)
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.conclude import conclude
from gitexp.model.comparison import Comparison
from gitexp.model.plan import Terms, Verdict
from gitexp.model.views import ShownExperiment
from gitexp.records import codec
from gitexp.report import RENDERERS, render_comparisons
from gitexp.report.sheet import Style
from gitexp.views.show import show
from gitexp.views.status import status
from tests.lab.records import CONFIG, START, Lab, experiment, scores
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def test_verdict_evidence_and_words_are_one_commit_that_show_and_status_read(lab: Lab) -> None:
    experiment(lab)
    before = lab.repo.hash()
    evidence = compare(lab.repo.workspace, [], now=START)[0]
    report = conclude(lab.repo.workspace, words="  It holds.\n", now=START)
    assert report.commit == lab.repo.hash("exp/deep")
    assert lab.repo.hash("exp/deep~") == before
    shown = show(lab.repo.workspace, "deep")
    assert isinstance(shown, ShownExperiment)
    assert shown.conclusion == report.conclusion
    assert report.conclusion.verdict is Verdict.SUPPORTED
    assert report.conclusion.words == "It holds."
    assert report.conclusion.comparison == evidence
    assert status(lab.repo.workspace).verdict == "supported"


def test_a_second_conclusion_is_refused_unless_it_replaces_the_first(lab: Lab) -> None:
    experiment(lab)
    first = conclude(lab.repo.workspace, words="It holds.")
    with pytest.raises(ExistsError):
        conclude(lab.repo.workspace, words="It does not.")
    assert lab.repo.hash() == first.commit
    second = conclude(lab.repo.workspace, words="It holds, for now.", amend=True)
    assert (first.replaced, second.replaced) == (False, True)
    assert lab.repo.hash("HEAD~") == first.commit


def test_a_dry_run_says_what_it_would_write_and_writes_nothing(lab: Lab) -> None:
    experiment(lab)
    before = lab.repo.refs()
    report = conclude(lab.repo.workspace, words="It holds.", dry_run=True)
    assert report.commit is None
    assert report.conclusion.verdict is Verdict.SUPPORTED
    assert lab.repo.refs() == before


def test_what_cannot_be_concluded_is_refused_and_nothing_is_written(lab: Lab) -> None:
    lab.init()
    lab.plan()
    lab.change()
    before = lab.repo.refs()
    with pytest.raises(UsageError):
        conclude(lab.repo.workspace, words=" \n")
    with pytest.raises(NoSamplesError):
        conclude(lab.repo.workspace, words="Too early.")
    with pytest.raises(UnknownExperimentError):
        conclude(lab.repo.workspace, "other", words="What?")
    lab.repo.switch("main")
    with pytest.raises(NoPlanError):
        conclude(lab.repo.workspace, words="Of what?")
    lab.repo.git("checkout", "-q", "--detach")
    with pytest.raises(DetachedHeadError):
        conclude(lab.repo.workspace, words="Where?")
    assert lab.repo.refs() == before


def test_an_experiment_is_named_without_the_prefix_that_the_settings_give(lab: Lab) -> None:
    lab.init(replace(CONFIG, branch_prefix="trial/"))
    plan = lab.plan(prefix="trial/")
    lab.change()
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan)
    lab.repo.switch("main")
    report = conclude(lab.repo.workspace, "deep", words="It holds.")
    assert report.branch == "trial/deep"
    assert report.commit == lab.repo.hash("trial/deep")


def test_a_branch_whose_short_name_begins_like_a_run_is_shown_under_any_prefix(lab: Lab) -> None:
    lab.init(replace(CONFIG, branch_prefix="trial/"))
    plan = lab.plan("cccc", prefix="trial/")
    lab.record("c", {"f1": scores(0.7, range(2))}, plan=plan)
    lab.repo.switch("main")
    shown = show(lab.repo.workspace, "cccc")
    assert isinstance(shown, ShownExperiment)
    assert shown.branch == "trial/cccc"


def test_what_could_not_be_read_again_is_not_concluded(lab: Lab) -> None:
    experiment(lab)
    before = lab.repo.refs()
    with pytest.raises(UnsafeInputError, match="too large to be read again") as caught:
        conclude(lab.repo.workspace, words="-" * (17 << 20))
    assert caught.value.where == ".gitexp/conclusions/deep.yaml"
    assert lab.repo.refs() == before


@pytest.mark.parametrize("name", sorted(set(RENDERERS) - {"csv"}))
def test_the_words_are_in_every_report_of_a_concluded_experiment(lab: Lab, name: str) -> None:
    experiment(lab)
    before = compare(lab.repo.workspace, now=START)
    conclude(lab.repo.workspace, words="More trees <b>help</b>\nranking.", now=START)
    page = render_comparisons(name, compare(lab.repo.workspace, now=START), Style())
    assert "More trees" in page
    assert name != "html" or "<b>help" not in page
    assert "More trees" not in render_comparisons(name, before, Style())


def test_a_conclusion_rests_on_a_comparison_without_the_words_of_the_last_one(lab: Lab) -> None:
    experiment(lab)
    conclude(lab.repo.workspace, words="It holds.", now=START)
    again = conclude(lab.repo.workspace, words="It does not.", amend=True, now=START)
    assert again.conclusion.comparison.words == ""
    (found,) = compare(lab.repo.workspace, now=START)
    assert found.words == "It does not."
    assert codec.load(Comparison, codec.dump(found), "x") == found


# What each verb says of a conclusion: text and JSON, so that a new way to say it is in here.
SAYING: dict[str, tuple[str, ...]] = {
    "status": (),
    "show": ("deep",),
    "list": (),
    "compare": (),
    "review": ("main...HEAD",),
    "archive": ("deep", "--abandon"),
    "conclude": ("-m", "Another."),
}
SILENT = frozenset((
    "init", "new", "amend-plan", "power", "run", "test", "restore", "rename", "rm", "diff",
    "inputs", "logs", "push", "pull", "sync", "witness", "check", "hooks", "doctor", "maintenance",
    "completion", "merge-driver", "comment", "hook", "worker",
))  # fmt: skip


def test_every_command_is_one_that_tells_of_conclusions_or_one_that_does_not() -> None:
    assert {item.name for item in COMMANDS} == SAYING.keys() | SILENT


@pytest.mark.sweep
@pytest.mark.parametrize("more", ["amended", "run again"])
@pytest.mark.parametrize("verb", SAYING)
def test_a_conclusion_is_that_of_the_plan_it_was_reached_under(
    lab: Lab, verb: str, more: str
) -> None:
    old = experiment(lab)
    conclude(lab.repo.workspace, words="It holds.", now=START)
    terms = Terms(effect=">0", repeats=6)
    plan = amend_plan(lab.repo.workspace, None, terms, why="fewer do", now=START).plan
    if more == "run again":
        fresh = range(20, 26)
        lab.record("d", {"f1": scores(0.6, fresh)}, of="main", plan=plan)
        lab.record("e", {"f1": scores(0.5, fresh)}, plan=plan)  # refuted under the new terms
    earlier = f"under the earlier plan {old.digest[:7]}, supported"
    if verb == "archive":
        lab.repo.switch("main")
    done, answer = (gitexp(lab.repo, verb, *SAYING[verb], *how) for how in ([], ["--json"]))
    if more == "amended" and verb in {"compare", "conclude"}:
        assert done.says("nothing to compare with", "next      gitexp run --with-baseline")
        return
    assert done.code in {0, 1}, done.err
    said = done.out + (lab.repo.git("tag", "-n9") if verb == "archive" else "")
    step = "gitexp run --with-baseline" if more == "amended" else "gitexp compare"
    match verb:
        case "status":
            assert earlier in said
            assert ": planned\n" in said or "/10\n" in said or ": ready\n" in said
            assert f"next: {step}\n" in said
            assert (answer.json["concluded"], answer.json["verdict"]) == (False, None)
        case "show":
            assert said.startswith("NO CONCLUSION"), said
            assert earlier in said
            assert step in said.splitlines()[-1]
            assert earlier in str(answer.json["notes"])
        case "list":
            assert " amended " in said
            assert "supported" not in said
            assert '"state":"amended","verdict":null' in answer.out.replace(" ", ""), answer.out
        case "compare":
            assert said.startswith("REFUTED")
            assert f"{earlier}: It holds." in said
            assert said.splitlines()[-1] == 'next: gitexp conclude -m "what was learned"'
            assert earlier in str(answer.json["words"])
        case "review":
            assert earlier in answer.out
        case "archive":
            assert f"verdict: {earlier}" in said
        case _:
            after = gitexp(lab.repo, "status").out
            assert after.startswith("REFUTED")
            assert "earlier" not in after


@pytest.mark.sweep
@pytest.mark.parametrize("more", ["changed", "run again"])
@pytest.mark.parametrize("verb", SAYING)
def test_a_conclusion_is_that_of_the_inputs_it_was_reached_on(
    lab: Lab, verb: str, more: str
) -> None:
    plan = experiment(lab)
    at = conclude(lab.repo.workspace, words="It holds.", now=START).conclusion.comparison
    assert gitexp(lab.repo, "list").out.count("supported") == 1  # and kept in the index
    lab.change(depth=9)
    if more == "run again":
        lab.record("e", {"f1": scores(0.5, range(10))}, plan=plan)
    earlier = f"at {at.candidate.commit[:9]}, before the inputs changed, supported"
    if verb == "archive":
        lab.repo.switch("main")
    done, answer = (gitexp(lab.repo, verb, *SAYING[verb], *how) for how in ([], ["--json"]))
    if more == "changed" and verb in {"compare", "conclude"}:
        assert done.says("nothing to compare with", "gitexp run")
        return
    said = done.out + (lab.repo.git("tag", "-n9") if verb == "archive" else "")
    assert done.code in {0, 1}, done.err
    step = "gitexp run" if more == "changed" else "gitexp compare"
    match verb:
        case "status":
            assert f"concluded {earlier}" in said
            assert ": concluded, then changed" in said.splitlines()[0]
            assert f"next: {step}" in said
            told = answer.json
            assert (told["concluded"], told["verdict"], told["changed"]) == (False, None, True)
        case "show":
            assert said.startswith("CHANGED"), said
            assert f"concluded {earlier}" in said
            assert step in said.splitlines()[-1]
            assert answer.json["changed"] is True
        case "list":
            assert " concluded, then changed " in said
            assert "supported" not in said
            assert '"state":"changed","verdict":null' in answer.out.replace(" ", ""), answer.out
            assert gitexp(lab.repo, "list", "--state", "changed").out == done.out
        case "compare":
            assert said.startswith("REFUTED")
            assert f"{earlier}: It holds." in said
            assert said.splitlines()[-1] == 'next: gitexp conclude -m "what was learned"'
            assert earlier in str(answer.json["words"])
        case "review":
            assert (earlier in answer.out) is (more == "run again")
        case "archive":
            assert f"verdict: {earlier}" in said
        case _:
            assert gitexp(lab.repo, "status").out.startswith("REFUTED")


@pytest.mark.sweep(3)
@pytest.mark.parametrize("verb", ["status", "show", "list", "compare", "review"])
def test_what_is_no_input_changes_no_conclusion(lab: Lab, verb: str) -> None:
    experiment(lab)
    conclude(lab.repo.workspace, words="It holds.", now=START)
    lab.repo.commit({"docs/notes.md": "Deep is good.\n"}, at=lab.tick())
    done = gitexp(lab.repo, verb, *SAYING[verb])
    assert done.code == 0
    assert "supported" in done.out.casefold()
    assert "changed," not in done.out
