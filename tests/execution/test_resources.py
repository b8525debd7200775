"""Recorded resources as guard-rails: a yes that costs too much is no yes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import exit_code
from gitexp.experiments.amend_plan import amend_plan
from gitexp.git.transaction import layout
from gitexp.model.comparison import Role
from gitexp.model.plan import Direction, Guard, Stopping, StoppingRule, Terms, Verdict
from gitexp.model.run import Resources
from gitexp.records import config as config_format
from gitexp.records.terms import parse_guard
from tests.lab.records import CONFIG, EVALUATION, START, Lab, one, scores

if TYPE_CHECKING:
    from collections.abc import Collection

    from gitexp.model.comparison import Comparison
    from gitexp.model.config import ProjectConfig
    from tests.lab.build import BuiltRepo

SEEDS = range(10)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def used(wall: float, memory: int, host: str = "here") -> dict[int, Resources]:
    return {
        seed: Resources(
            host=host,
            wall_s=wall + 0.01 * (seed % 3),
            peak_memory_bytes=memory + 1_000 * (seed % 4),
        )
        for seed in SEEDS
    }


def guarded(lab: Lab, *guards: str, wall: float, memory: int = 10**8, host: str = "here") -> None:
    lab.init()
    plan = lab.plan(effect=">0", guards=tuple(parse_guard(text) for text in guards))
    lab.change()
    low = scores(0.6, SEEDS)
    lab.record("b", {"f1": low}, of="main", plan=plan, resources=used(10.0, 10**8))
    high = {seed: value + 0.05 for seed, value in low.items()}
    lab.record("c", {"f1": high}, plan=plan, resources=used(wall, memory, host))


def test_a_supported_gain_that_takes_too_long_breaks_its_guard_rail(lab: Lab) -> None:
    guarded(lab, "wall_s<=+10%", wall=14.0)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.headline.endswith("; BROKEN: wall_s")
    assert exit_code([result]) == 1
    guard = result.metrics[1]
    assert (guard.metric, guard.role, guard.broken) == ("wall_s", Role.GUARD, True)
    assert guard.mean_baseline == pytest.approx(10.01, abs=0.01)


def test_time_and_memory_that_stay_in_bounds_are_kept(lab: Lab) -> None:
    guarded(lab, "resource:wall_s<=+10%", "peak_memory_bytes<=+5%", wall=10.2, memory=10**8)
    result = one(lab)
    assert exit_code([result]) == 0
    assert not any(metric.broken for metric in result.metrics)
    assert [metric.metric for metric in result.metrics] == [
        "f1",
        "resource:wall_s",
        "peak_memory_bytes",
    ]


def test_other_machines_are_named(lab: Lab) -> None:
    guarded(lab, "wall_s<=+10%", wall=10.0, host="there")
    assert "time and memory of the two sides were measured on different machines" in (
        one(lab).warnings
    )


def test_what_was_not_recorded_cannot_be_judged(lab: Lab) -> None:
    guarded(lab, "cpu_s<=+10%", wall=10.0)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the guard-rail on cpu_s cannot be judged" in result.headline


def test_a_resource_can_be_the_hypothesis(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(metric="wall_s", direction=Direction.MIN, effect=">=5%")
    lab.change()
    low = scores(0.6, SEEDS)
    lab.record("b", {"f1": low}, of="main", plan=plan, resources=used(10.0, 10**8))
    lab.record("c", {"f1": low}, plan=plan, resources=used(8.0, 10**8))
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.headline.startswith("wall_s falls by at least 5 %: ")


COSTS = replace(CONFIG, cost=("latency_ms",))
HERE = Resources(
    host="a", cpu_model="AMD EPYC 7763", cpu_count=8, cpu_flags="avx2", wall_s=9.0, gpu="A100"
)
THERE = replace(HERE, cpu_model="Intel Xeon", wall_s=9.0)
OTHERS = {  # what time depends on, and how a line names it
    "AMD EPYC 7763 / Intel Xeon": THERE,
    "8 processors / 64 processors": replace(HERE, cpu_count=64),
    "all processors / processors 0-3": replace(HERE, affinity="0-3"),
    "no limit of processors / limit of 2.5 processors": replace(HERE, cgroup_cpus=2.5),
    "A100 / no GPU": replace(HERE, gpu=""),
    "no driver / driver 550.1": replace(HERE, gpu_driver="550.1"),
    "AMD EPYC 7763, 8 processors / Intel Xeon, 2 processors": replace(THERE, cpu_count=2),
}
OLD = Resources(host="a", cpu_model="AMD EPYC 7763", wall_s=9.0)


def measured(  # noqa: PLR0913  what a comparison of costs depends on
    lab: Lab,
    apart: Collection[int] = (),
    there: Resources = THERE,
    *,
    here: Resources = HERE,
    metric: str = "latency_ms",
    rules: int = 2,
    guards: tuple[Guard, ...] = (),
    stopping: Stopping | None = None,
    evaluation: str = EVALUATION,
    proven: bool = False,
    amended: ProjectConfig | None = None,
) -> Comparison:
    """Compare ten pairs, of which some ran their candidate `there`; it gains in all."""
    if not (lab.repo.path / layout.CONFIG).exists():
        lab.init(COSTS)
    way = Direction.MAX if metric == "f1" else Direction.MIN
    plan = lab.plan(
        effect=">0" if metric == "f1" else "<0",
        metric=metric,
        direction=way,
        rules=rules,
        guards=guards,
        stopping=stopping,
        guards_shown=proven,
    )
    lab.change()
    if amended is not None:
        lab.repo.commit({layout.CONFIG: config_format.dump_template(amended)}, at=lab.tick())
        terms = Terms(effect="<=-1%")
        plan = amend_plan(lab.repo.workspace, None, terms, why="it is more", now=START).plan
    values = {"f1": scores(0.6, SEEDS), "latency_ms": scores(30, SEEDS, spread=1.0)}
    where = {seed: replace(here, wall_s=9 + 0.01 * (seed % 3)) for seed in SEEDS}
    lab.record("b", values, of="main", plan=plan, resources=where)
    values["f1"] = {seed: value + 0.05 + seed / 1e4 for seed, value in values["f1"].items()}
    values["latency_ms"] = {s: v - 2 - s / 1e3 for s, v in values["latency_ms"].items()}
    where = {
        seed: replace(there if seed in apart else here, wall_s=8 + 0.02 * (seed % 4))
        for seed in SEEDS
    }
    lab.record("c", values, plan=plan, resources=where, evaluation=evaluation)
    return one(lab)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("said", OTHERS)
def test_a_cost_leaves_out_pairs_of_other_hardware_and_names_it(lab: Lab, said: str) -> None:
    result = measured(lab, {1, 4, 5}, OTHERS[said])
    line = f"latency_ms: 3 of 10 pairs ran on other hardware: {said}"
    assert [text for text in result.warnings if "hardware" in text] == [line]
    primary, f1 = result.metrics
    assert ([seed for seed, _ in primary.candidate_values], f1.n_candidate) == (
        [0, 2, 3, 6, 7, 8, 9],
        10,
    )
    assert (result.verdict, result.pairs) == (Verdict.INCONCLUSIVE, 10)


@pytest.mark.parametrize("metric", ["wall_s", "resource:wall_s", "latency_ms"])
def test_a_cost_of_one_hardware_is_judged_and_of_none_in_common_undecidable(
    lab: Lab, metric: str
) -> None:
    assert measured(lab, metric=metric).verdict is Verdict.SUPPORTED
    lab.repo.git("switch", "-q", "main")
    lab.repo.git("branch", "-q", "-D", "exp/deep")
    result = measured(lab, SEEDS, metric=metric)
    why = f"{metric}: no pair ran on the same hardware: AMD EPYC 7763 / Intel Xeon"
    assert (result.verdict, result.headline) == (Verdict.UNDECIDABLE, why)


@pytest.mark.parametrize(
    ("here", "there"),
    [(OLD, replace(HERE, gpu="")), (Resources(wall_s=9.0), HERE), (replace(HERE, gpu=""), OLD)],
)
def test_of_what_was_not_recorded_no_difference_is_claimed(
    lab: Lab, here: Resources, there: Resources
) -> None:
    assert measured(lab, SEEDS, there, here=here).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(("metric", "rules"), [("f1", 2), ("latency_ms", 1)])
def test_what_is_no_cost_and_plans_of_older_rules_are_judged_as_ever(
    lab: Lab, metric: str, rules: int
) -> None:
    assert measured(lab, SEEDS, metric=metric, rules=rules).verdict is Verdict.SUPPORTED


def test_no_look_is_reached_by_leaving_out_pairs(lab: Lab) -> None:
    """Attack: the partner of what does not please runs elsewhere, and the next pairs move up."""
    rule = Stopping(StoppingRule.ALWAYS_VALID, 0)
    result = measured(lab, {1, 4}, stopping=rule)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "2 of 10 pairs ran on other hardware" in result.headline


@pytest.mark.parametrize("proven", [False, True])
@pytest.mark.parametrize("apart", [(), (1,), SEEDS])
def test_a_guard_rail_on_a_cost_needs_equal_hardware(
    lab: Lab, apart: Collection[int], *, proven: bool
) -> None:
    guard = parse_guard("latency_ms<=+5%")
    result = measured(lab, apart, metric="f1", guards=(guard,), proven=proven)
    # a pair that was left out takes nothing from the promise; what must be shown needs them all
    is_open = len(apart) > (0 if proven else 1)
    assert result.verdict is (Verdict.INCONCLUSIVE if is_open else Verdict.SUPPORTED)
    said = [text for text in (result.headline, *result.warnings) if "hardware" in text]
    assert len(said) == bool(apart), said


@pytest.mark.parametrize("apart", [(), (3,)])
def test_repeats_that_do_not_pair_all_need_one_hardware(lab: Lab, apart: Collection[int]) -> None:
    lab.init(COSTS)
    plan = lab.plan(effect="<0", metric="latency_ms", direction=Direction.MIN, rules=2, repeats=6)
    lab.change()
    low, where = scores(30, range(6)), dict.fromkeys(range(6), HERE)
    lab.record("b", {"latency_ms": low}, of="main", plan=plan, resources=where)
    fast = {seed + 20: value - 2 for seed, value in low.items()}
    where = {seed: THERE if seed - 20 in apart else HERE for seed in fast}
    lab.record("c", {"latency_ms": fast}, plan=plan, resources=where)
    result = one(lab)
    why = "latency_ms: repeats ran on other hardware: AMD EPYC 7763 / Intel Xeon"
    assert result.verdict is (Verdict.UNDECIDABLE if apart else Verdict.SUPPORTED)
    assert (result.headline == why) == bool(apart)


@pytest.mark.parametrize("amended", [False, True])
@pytest.mark.parametrize("before", [COSTS, CONFIG])
def test_what_is_a_cost_is_fixed_with_the_plan(
    lab: Lab, before: ProjectConfig, *, amended: bool
) -> None:
    """Attack: seeing the result, a metric is declared to be a cost, or to be none."""
    lab.init(before)
    later = CONFIG if before is COSTS else COSTS
    kept = measured(lab, {1, 4, 5}, amended=later if amended else None).metrics[0].n_candidate
    if not amended:
        lab.repo.commit({layout.CONFIG: config_format.dump_template(later)}, at=lab.tick())
    assert one(lab).metrics[0].n_candidate == kept == (7 if before is COSTS else 10)
