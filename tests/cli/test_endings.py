"""`gitexp archive`, `restore`, `rename` and `rm` as a user types them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.recorded import a_run, run_files
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


def tried(experiment: BuiltRepo) -> None:
    """Leave a run on the experiment's branch, and go to main."""
    experiment.commit(run_files(*a_run(1, [0.5])), at=5)
    experiment.switch("main")


def test_an_experiment_is_archived_listed_restored_renamed_and_removed(
    experiment: BuiltRepo,
) -> None:
    done = gitexp(experiment, "archive", "faster", "--abandon")
    assert done.code == 3
    assert done.says("error[busy-branch]: exp/faster is checked out", "next      git switch main\n")
    tried(experiment)
    done = gitexp(experiment, "archive", "faster")
    assert "note: exp/faster stays: its records are not all in main yet" in done.out
    assert "faster      planned  " in gitexp(experiment, "list").out
    assert gitexp(experiment, "list", "--archived", "-q").out == ""
    done = gitexp(experiment, "archive", "faster", "--abandon", "--json")
    assert (done.json["$schema"], done.json["verb"]) == ("gitexp/end-report@1", "archive")
    assert done.json["done"] == ["branch exp/faster removed; exp-archive/faster keeps it"]
    listed = gitexp(experiment, "list", "--archived", "-q")
    assert listed.out == "faster\n"
    assert gitexp(experiment, "restore", "faster").out.splitlines()[-1] == (
        "next: git switch exp/faster"
    )
    assert gitexp(experiment, "list", "--stale", "2w", "-q").out == "faster\n"
    done = gitexp(experiment, "rename", "faster", "larger-steps")
    assert "branch exp/faster is exp/larger-steps" in done.out
    done = gitexp(experiment, "rm", "larger-steps", "-m", "the data had to go")
    assert done.code == 0
    rows = gitexp(experiment, "list", "--archived").out.splitlines()
    assert next(row.split()[:2] for row in rows if "larger-steps" in row) == [
        "larger-steps",
        "removed",
    ]
    done = gitexp(experiment, "new", "larger-steps", "--metric", "f1", "--effect", ">0",
                  "--hypothesis", "it is larger than before")  # fmt: skip
    assert done.says("error[exists]: an experiment of this name was archived, or removed")


def test_removing_what_is_not_archived_needs_yes(experiment: BuiltRepo) -> None:
    tried(experiment)
    done = gitexp(experiment, "rm", "faster")
    assert done.code == 2
    assert done.says(
        "was not archived here: its code and its data would be gone",
        "gitexp archive faster; or gitexp rm faster --yes",
    )
    assert gitexp(experiment, "rm", "faster", "--yes").code == 0


def test_a_plan_to_which_nothing_was_done_goes_without_a_question(experiment: BuiltRepo) -> None:
    experiment.commit({"train.py": "work = 'of mine'\n"}, at=5)
    experiment.switch("main")
    assert gitexp(experiment, "rm", "faster").code == 2
    experiment.git("branch", "--force", "exp/faster", "exp/faster~1")
    assert gitexp(experiment, "rm", "faster").code == 0


def test_contradicting_questions_about_archives_are_usage(experiment: BuiltRepo) -> None:
    for options in (
        ["--archived", "--runs"],
        ["--stale", "9d", "--runs"],
        ["--archived", "--stale", "9d"],
    ):
        assert gitexp(experiment, "list", *options).code == 2
