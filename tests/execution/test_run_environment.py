"""Repeats in environments that differ: what acts on a repeat is what it asked for."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import OtherEnvironmentError
from gitexp.execution.run import run
from gitexp.execution.until import until_decided
from gitexp.experiments.new import new
from gitexp.model.plan import SeedOrigin, Stopping, StoppingRule, Verdict
from gitexp.model.request import RunRequest
from gitexp.report import numbers, words
from gitexp.views.status import status
from tests.execution.test_run import plain
from tests.execution.test_run_drawn import ASKED
from tests.lab.shell import gitexp
from tests.system.test_environment import install

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import RunReport
    from tests.lab.build import BuiltRepo

TRAIN = """\
import os, used
try:
    import speedup
    fast = 1
except ImportError:
    fast = 0
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
lr = float(text.split("lr:")[1].split()[0])
fatal = rf"OUT/{seed}-{lr}"
if os.path.exists(fatal):
    exec(open(fatal).read())
    os._exit(9)
acc = lr + used.X + fast + seed % 9973 / 100000
open("metrics.json", "w").write('{"acc": %r}' % acc)
open("model.txt", "w").write(f"{lr} {seed}")
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, first of the environment."""
    found = tmp_path / "env" / "lib" / "site-packages"
    install(found, "used", "X = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(found))
    return found


@pytest.fixture
def repo(tmp_path: Path, site: Path) -> BuiltRepo:
    assert site.is_dir()
    return plain(tmp_path / "p", TRAIN.replace("OUT", str(tmp_path)))


@pytest.fixture
def planned(repo: BuiltRepo) -> tuple[BuiltRepo, tuple[int, ...]]:
    """A plan on exp/x, and its seeds."""
    plan = new(repo.workspace, ASKED).plan
    assert plan.drawn is not None
    return repo, tuple(itertools.islice(plan.drawn.sequence(), 5))


def upgrade(site: Path, name: str, version: str, body: str = "X = 1\n") -> None:
    for old in site.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    install(site, name, body, version)


PIP = "python -m pip install used==1.0, then gitexp run"


def own(report: RunReport) -> list[tuple[int, ...]]:
    return [tuple(repeat.seed for repeat in e.run.own_repeats) for e in report.recorded]


def record(repo: BuiltRepo, run_id: str) -> dict:
    return json.loads(repo.show(f".gitexp/runs/{run_id[:2]}/{run_id}/run.json"))


def test_a_run_records_once_what_its_repeats_asked_for(repo: BuiltRepo) -> None:
    (done,) = run(repo.workspace, RunRequest(repeats=3)).recorded
    found = record(repo, done.run.id)
    (seen,) = found["observed"]
    assert [each["observed"] for each in found["repeats"]] == [0, 0, 0]
    assert "used" in seen["distributions"]
    assert "speedup" in seen["asked"]
    assert "numpy" not in {*seen["distributions"], *seen["asked"]}
    assert "why" not in seen


def test_what_nothing_imports_is_installed_and_every_sample_goes_on_counting(
    planned: tuple[BuiltRepo, tuple[int, ...]], site: Path
) -> None:
    """Attack: draw all repeats again by installing any package. Also the plain case, at work."""
    repo, _ = planned
    run(repo.workspace, RunRequest(repeats=3))
    install(site, "pexpect", "X = 1\n")
    done = run(repo.workspace)
    assert [len(each.run.own_repeats) for each in done.recorded] == [2, 2]
    upgrade(site, "pexpect", "2.0")
    assert run(repo.workspace).recorded == ()
    (found,) = compare(repo.workspace)
    assert (found.pairs, found.looks, found.verdict) == (5, 0, Verdict.SUPPORTED)
    assert not any("environment" in text for text in (*found.warnings, *found.reasons))
    assert not [change for change in found.changes if change.kind == "environment"]
    assert any("same environment" in text for text in words.differences(found))


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("name", ["used", "speedup"])
def test_what_is_imported_or_was_missed_touches_the_pairs_that_ran_with_it_and_no_others(
    name: str, planned: tuple[BuiltRepo, tuple[int, ...]], site: Path
) -> None:
    """Also an optional import that failed, and succeeds from some pair on."""
    repo, seeds = planned
    run(repo.workspace, RunRequest(repeats=4))
    upgrade(site, name, "2.0")
    done = run(repo.workspace)
    assert [each.run.seeds for each in done.recorded] == [seeds[4:], seeds[4:]]
    (found,) = compare(repo.workspace)
    assert (found.pairs, found.verdict) == (5, Verdict.SUPPORTED)
    old = "used 1.0" if name == "used" else "no speedup"
    (said,) = [text for text in found.warnings if "environment" in text]
    assert said.endswith(f"pairs 1-4 {old}, pair 5 {name} 2.0")
    assert not any("same environment" in text for text in words.differences(found))
    assert run(repo.workspace).recorded == ()


@pytest.mark.slow
def test_a_pair_waits_for_its_environment_and_no_seed_replaces_it(
    planned: tuple[BuiltRepo, tuple[int, ...]], site: Path, tmp_path: Path
) -> None:
    repo, seeds = planned
    fatal = tmp_path / f"{seeds[2]}-0.1"
    fatal.touch()
    _, record = run(repo.workspace, RunRequest(keep_going=True)).recorded
    fatal.unlink()
    upgrade(site, "used", "2.0")
    report = run(repo.workspace)
    assert report.recorded == ()
    (said,) = (text for text in report.warnings if "1 pair waits" in text)
    assert "used" in said
    step = "gitexp amend-plan --repeats 7 --why TEXT"  # the second try pays six times p
    assert said.endswith(f"else {step} goes on with other seeds")
    told = status(repo.workspace)
    assert said in told.notes
    assert told.next_step == report.next_step
    mend = PIP.replace("gitexp run", f"gitexp logs {record.run.id[:8]}; mend it on main, ")
    assert mend in told.next_step
    assert told.next_step.endswith(f"; or {step}")
    assert run(repo.workspace, RunRequest(dry_run=True)).next_step == report.next_step
    assert gitexp(repo, *shlex.split(step)[1:], "--dry-run").code == 0
    (found,) = compare(repo.workspace)
    assert (found.pairs, found.verdict) == (4, Verdict.UNDECIDABLE)
    upgrade(site, "used", "1.0")
    assert [each.run.seeds for each in run(repo.workspace).recorded] == [(seeds[2],)]
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED


@pytest.mark.slow
def test_after_an_upgrade_midway_the_next_candidate_runs_what_can_pair_and_says_what_waits(
    planned: tuple[BuiltRepo, tuple[int, ...]], site: Path
) -> None:
    repo, seeds = planned
    run(repo.workspace, RunRequest(repeats=3))
    upgrade(site, "used", "2.0")
    run(repo.workspace)
    repo.commit({"params.yaml": "lr: 0.3\nseed: 7\n"}, at=9)
    early = numbers.seeds(seeds[:3])
    waits = f"3 pairs wait ({early}) for used 1.0 ({{}} 2.0), as the baseline's repeat had"
    dry = run(repo.workspace, RunRequest(dry_run=True))
    assert [{*each.seeds} - {each.for_snapshot} for each in dry.planned] == [{*seeds[3:]}, set()]
    assert any(waits.format("here") in text for text in dry.warnings)
    # The second try pays six times p, which six pairs cannot.
    assert status(repo.workspace).next_step.startswith("gitexp amend-plan --repeats 7 --why TEXT; ")
    upgrade(site, "used", "2.0.1")  # nobody has looked at it
    assert any(waits.format("last") in text for text in status(repo.workspace).notes)
    upgrade(site, "used", "2.0")
    told: list[str] = []
    report = run(repo.workspace, tell=lambda event: told.append(event.message))
    assert own(report) == [seeds[3:]]
    for said in (told, report.warnings):
        assert any(waits.format("here") in text for text in said)
    (found,) = compare(repo.workspace)
    assert (found.pairs, found.verdict) == (2, Verdict.UNDECIDABLE)
    match = re.escape(f"{early}: used 1.0 (here 2.0)")
    with pytest.raises(OtherEnvironmentError, match=match) as caught:
        run(repo.workspace)
    assert f"{PIP}; or gitexp amend-plan --repeats " in caught.value.next_step
    assert report.next_step == status(repo.workspace).next_step, "which alone can decide"
    assert caught.value.next_step.endswith(f"; or {report.next_step}")
    upgrade(site, "used", "1.0")
    assert own(run(repo.workspace)) == [seeds[:3]]
    assert compare(repo.workspace)[0].pairs == 5


@pytest.mark.slow
def test_rounds_end_where_their_pairs_wait_for_another_environment(
    repo: BuiltRepo, site: Path, tmp_path: Path
) -> None:
    stopping = Stopping(StoppingRule.POCOCK, 4)
    plan = new(repo.workspace, replace(ASKED, repeats=8, stopping=stopping)).plan
    assert plan.drawn is not None
    seeds = list(itertools.islice(plan.drawn.sequence(), 4))
    fatal = tmp_path / f"{seeds[3]}-0.2"
    fatal.write_text(FAILS)
    run(repo.workspace, RunRequest(seeds=tuple(seeds[2:4]), keep_going=True))
    fatal.unlink()
    upgrade(site, "used", "2.0")
    report = until_decided(repo.workspace)
    assert own(report) == [tuple(seeds[:2])] * 2
    assert f"{PIP} --until-decided; or " in report.next_step
    with pytest.raises(OtherEnvironmentError) as caught:
        until_decided(repo.workspace)
    assert caught.value.next_step == report.next_step == status(repo.workspace).next_step


@pytest.mark.slow
def test_a_candidate_is_not_run_where_its_baseline_cannot_be_its_partner(
    planned: tuple[BuiltRepo, tuple[int, ...]], site: Path, tmp_path: Path
) -> None:
    """Attack: kill the candidate's repeat, and draw both again in another environment."""
    repo, seeds = planned
    fatal = tmp_path / f"{seeds[2]}-0.2"
    fatal.touch()
    run(repo.workspace, RunRequest(keep_going=True))
    fatal.unlink()
    upgrade(site, "used", "2.0")
    with pytest.raises(OtherEnvironmentError, match="used"):
        run(repo.workspace)
    upgrade(site, "used", "1.0")
    assert [each.run.seeds for each in run(repo.workspace).recorded] == [(seeds[2],)]
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED


FAILS = "print(0.91, flush=True)"
LOGS = """\
with open(os.environ["GITEXP_POINTS"], "a") as file:
    file.write('{"name": "acc", "step": null, "t": 0, "value": 0.91}')
"""
KILLED = f"""\
{FAILS}
import time
os.kill(int(open(os.environ["GITEXP_ATTEMPT"] + "/pid").read().split()[0]), SIGNAL)
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("end", "name"),
    [
        (FAILS, "used"),
        (KILLED.replace("SIGNAL", "9"), "used"),
        (KILLED.replace("SIGNAL", "15"), "used"),
        (LOGS, "used"),
        (KILLED.replace("SIGNAL", "15").replace(FAILS, LOGS), "used"),
        (KILLED.replace("SIGNAL", "15"), "pexpect"),
    ],
    ids=["failed", "lost", "cancelled", "failed, logged", "cancelled, logged", "not imported"],
)
def test_a_candidate_that_showed_a_score_and_was_killed_goes_on_in_an_equal_environment(
    end: str, name: str, planned: tuple[BuiltRepo, tuple[int, ...]], site: Path, tmp_path: Path
) -> None:
    """Attack: look at it in three environments, and go on in the best. 65 % were supported."""
    repo, seeds = planned
    fatal = tmp_path / f"{seeds[0]}-0.2"
    fatal.write_text(end)
    run(repo.workspace, RunRequest(keep_going=True))
    fatal.unlink()
    upgrade(site, name, "2.0")
    if name == "used":
        with pytest.raises(
            OtherEnvironmentError, match=f"seed {seeds[0]} showed a score .* found: .*: used 1.0"
        ):
            run(repo.workspace)
        upgrade(site, "used", "1.0")
    run(repo.workspace)
    assert compare(repo.workspace)[0].verdict is Verdict.SUPPORTED


@pytest.mark.slow
def test_public_seeds_pair_with_what_main_has_where_it_is_equal(
    repo: BuiltRepo, site: Path
) -> None:
    run(repo.workspace, RunRequest(repeats=5))
    new(repo.workspace, replace(ASKED, seeds=SeedOrigin.COMMITTED))
    install(site, "pexpect", "")
    done = run(repo.workspace, RunRequest(repeats=2))
    assert [each.side for each in done.recorded] == ["candidate"]
    upgrade(site, "used", "2.0")
    done = run(repo.workspace)
    assert [len(each.run.own_repeats) for each in done.recorded] == [3, 3]
    assert compare(repo.workspace)[0].pairs == 5


@pytest.mark.slow
def test_a_planted_sitecustomize_is_of_the_environment(
    planned: tuple[BuiltRepo, tuple[int, ...]], site: Path
) -> None:
    """Attack: a file that no package has, in front of every script of one side."""
    repo, _ = planned
    run(repo.workspace, RunRequest(repeats=4))
    (site / "sitecustomize.py").write_text("import builtins\n", encoding="utf-8")
    run(repo.workspace)
    (found,) = compare(repo.workspace)
    assert any("sitecustomize" in text for text in found.warnings)
