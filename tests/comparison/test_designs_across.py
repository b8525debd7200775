"""More than two commits: an omnibus test first, then each against the baseline and all pairs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from gitexp.comparison.compare import compare
from gitexp.model.comparison import Comparison
from gitexp.model.config import Predictions
from gitexp.model.ids import Md5
from gitexp.model.plan import Direction
from gitexp.model.run import FileHash, Sample
from gitexp.records import codec
from tests.lab.records import CONFIG, START, Lab

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.model.result import AcrossMetric
    from tests.lab.build import BuiltRepo

A = (0.61, 0.63, 0.60, 0.64, 0.62, 0.615)
B = (0.65, 0.66, 0.62, 0.69, 0.66, 0.63)
C = (0.60, 0.64, 0.61, 0.63, 0.61, 0.62)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def three(
    lab: Lab, sides: Sequence[Mapping[int, float] | tuple[Sample, ...]]
) -> tuple[Comparison, ...]:
    """Record main and two branches without a plan, and compare them in one call."""
    lab.init()
    names = ["main", "b", "c"]
    for letter, name, values in zip("bcd", names, sides, strict=True):
        if name != "main":
            lab.repo.switch("main")
            lab.repo.switch(name, create=True)
            lab.change(ord(letter))
        if isinstance(values, tuple):
            lab.record(letter, {}, samples=values)
        else:
            lab.record(letter, {"f1": values})
    return compare(lab.repo.workspace, names, now=START)


def only(comparisons: tuple[Comparison, ...]) -> AcrossMetric:
    first, second = comparisons
    assert first.across is not None
    assert first.across == second.across
    assert first.across.names == ("main", "b", "c")
    assert codec.load(Comparison, codec.dump(first), "c.json") == first
    (metric,) = first.across.metrics
    return metric


def test_repeats_of_the_same_seeds_are_blocked_by_seed(lab: Lab) -> None:
    metric = only(three(lab, [dict(enumerate(side)) for side in (A, B, C)]))
    assert metric.design == "repeats blocked by seed"
    first, second = metric.omnibus
    table = np.array([A, B, C]).T
    grand = table.mean()
    between = 6 * ((table.mean(axis=0) - grand) ** 2).sum()
    residual = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + grand
    assert first.planned
    assert first.statistic == pytest.approx((between / 2) / ((residual**2).sum() / 10))
    assert first.df1 is not None
    assert first.df2 is not None
    assert first.p_value == pytest.approx(stats.f.sf(first.statistic, first.df1, first.df2))
    chi = stats.friedmanchisquare(*table.T).statistic
    assert second.test == "iman-davenport"
    assert second.statistic == pytest.approx(5 * chi / (12 - chi))
    assert [group.rank for group in metric.groups] == [
        pytest.approx(rank) for rank in stats.rankdata(-table, axis=1).mean(axis=0)
    ]
    against, among = metric.families
    assert [(p.first, p.second) for p in against.pairs] == [("b", "main"), ("c", "main")]
    assert [(p.first, p.second) for p in among.pairs] == [
        ("b", "main"), ("c", "main"), ("c", "b"),
    ]  # fmt: skip

    def flips(d: np.ndarray) -> float:
        found = stats.permutation_test(
            (d,), np.mean, permutation_type="samples", n_resamples=10_000
        )
        return float(found.pvalue)

    raw = [flips(table[:, 1] - table[:, 0]), flips(table[:, 2] - table[:, 0])]
    assert against.pairs[0].p_value == pytest.approx(min(1, 2 * raw[0]))
    assert against.pairs[0].difference == pytest.approx(np.mean(B) - np.mean(A))
    interval = against.pairs[0].interval
    assert interval is not None
    d = table[:, 1] - table[:, 0]
    reach = stats.t.isf(0.0125, 5) * d.std(ddof=1) / np.sqrt(6)
    assert interval.low == pytest.approx(d.mean() - reach)


def test_repeats_of_other_seeds_are_independent_groups(lab: Lab) -> None:
    sides = [
        {10 * index + seed: value for seed, value in enumerate(side)}
        for index, side in enumerate((A, B, C))
    ]
    metric = only(three(lab, sides))
    assert metric.design == "repeats as independent groups"
    welch, shuffled, kruskal = metric.omnibus
    assert welch.planned
    assert welch.p_value == pytest.approx(stats.f_oneway(A, B, C, equal_var=False).pvalue)
    assert kruskal.p_value == pytest.approx(stats.kruskal(A, B, C).pvalue)
    assert shuffled.statistic == pytest.approx(stats.f_oneway(A, B, C).statistic)
    assert shuffled.p_value == pytest.approx(stats.f_oneway(A, B, C).pvalue, abs=0.01)
    dunnett, howell, dunn = metric.families
    found = stats.dunnett(B, C, control=A, random_state=np.random.default_rng(1))
    assert [p.p_value for p in dunnett.pairs] == pytest.approx(list(found.pvalue), abs=2e-3)
    tukey = stats.tukey_hsd(A, B, C, equal_var=False)
    assert howell.pairs[0].p_value == pytest.approx(tukey.pvalue[1, 0], abs=1e-6)
    assert howell.pairs[0].difference == pytest.approx(np.mean(B) - np.mean(A))
    limits = tukey.confidence_interval(0.95)
    assert howell.pairs[0].interval is not None
    assert howell.pairs[0].interval.low == pytest.approx(np.asarray(limits.low)[1, 0], abs=1e-6)
    assert len(dunn.pairs) == 3
    assert [size.name for size in metric.sizes] == ["eta squared", "omega squared"]


def test_data_sets_get_friedman_nemenyi_and_a_critical_difference(lab: Lab) -> None:
    rng = np.random.default_rng(3)
    base = rng.uniform(0.6, 0.9, 12)
    values = [base, base + 0.03 + rng.normal(0, 0.01, 12), base + rng.normal(0, 0.02, 12)]
    sides = [
        tuple(Sample("f1", 0, float(v), dataset=f"d{i:02}") for i, v in enumerate(side))
        for side in values
    ]
    metric = only(three(lab, sides))
    assert metric.design == "data sets"
    table = np.array(values).T
    (friedman,) = metric.omnibus
    chi = stats.friedmanchisquare(*table.T).statistic
    statistic = 11 * chi / (24 - chi)
    assert friedman.statistic == pytest.approx(statistic)
    assert friedman.p_value == pytest.approx(stats.f.sf(statistic, 2, 22))
    error = np.sqrt(3 * 4 / (6 * 12))
    q = stats.studentized_range.isf(0.05, 3, np.inf) / np.sqrt(2)
    assert metric.critical_difference == pytest.approx(q * error, rel=1e-6)
    ranks = stats.rankdata(-table, axis=1).mean(axis=0)
    control, nemenyi = metric.families
    z = abs(ranks[1] - ranks[0]) / error
    expected = stats.studentized_range.sf(z * np.sqrt(2), 3, np.inf)
    assert nemenyi.pairs[0].p_value == pytest.approx(expected, rel=1e-4)
    assert nemenyi.pairs[0].difference == pytest.approx(ranks[1] - ranks[0])
    raw = [2 * stats.norm.sf(abs(ranks[i] - ranks[0]) / error) for i in (1, 2)]
    assert control.pairs[0].p_value == pytest.approx(min(1, 2 * min(raw)))


def test_a_call_of_two_says_nothing_about_all(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"f1": dict(enumerate(A))})
    lab.repo.switch("b", create=True)
    lab.change()
    lab.record("c", {"f1": dict(enumerate(B))})
    (result,) = compare(lab.repo.workspace, ["main", "b"], now=START)
    assert result.across is None


def test_the_metric_of_the_plans_is_the_one_that_is_compared_together(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"loss": dict(enumerate(A)), "f1": dict(enumerate(A))})
    for letter, name, values in (("c", "deep", B), ("d", "wide", C)):
        lab.repo.switch("main")
        plan = lab.plan(name, metric="loss", direction=Direction.MIN, effect="<0", repeats=6)
        lab.change(ord(letter))
        lab.record(
            letter, {"loss": dict(enumerate(values)), "f1": dict(enumerate(values))}, plan=plan
        )
    found = compare(lab.repo.workspace, ["main", "exp/deep", "exp/wide"], now=START)
    across = found[0].across
    assert across is not None
    (metric,) = across.metrics
    assert (metric.metric, metric.direction) == ("loss", Direction.MIN)
    assert metric.groups[1].rank is not None
    assert metric.groups[0].rank is not None
    assert metric.groups[1].rank > metric.groups[0].rank, "a larger loss is worse"


def plans_of(
    lab: Lab, shared: int, own: Sequence[Mapping[int, float]]
) -> tuple[tuple[Comparison, ...], AcrossMetric]:
    """Give main the first repeats of the baseline, and each of two plans all that follow."""
    lab.init()
    if shared:
        lab.record("b", {"f1": dict(enumerate(A[:shared]))})
    for letters, name, values, base in zip(
        ("cd", "ef"), ("deep", "wide"), (B, C), own, strict=True
    ):
        lab.repo.switch("main")
        plan = lab.plan(name, effect=">0", repeats=6)
        lab.change(ord(letters[0]))
        lab.record(letters[0], {"f1": base}, of="main", plan=plan)
        lab.record(letters[1], {"f1": dict(enumerate(values))}, plan=plan)
    found = compare(lab.repo.workspace, ["main", "exp/deep", "exp/wide"], now=START)
    assert found[0].across is not None
    (metric,) = found[0].across.metrics
    return found, metric


@pytest.mark.parametrize("shared", [0, 2])
def test_equal_samples_of_the_baseline_are_joined_whichever_run_recorded_them(
    lab: Lab, shared: int
) -> None:
    own = {seed: value for seed, value in enumerate(A) if seed >= shared}
    found, metric = plans_of(lab, shared, (own, own))
    assert [item.pairs for item in found] == [6, 6]
    assert [group.n for group in metric.groups] == [6, 6, 6]
    assert metric.groups[0].mean == pytest.approx(np.mean(A))
    assert metric.notes == ()


def test_baseline_samples_that_a_single_comparison_has_alone_are_said(lab: Lab) -> None:
    own = {seed: value for seed, value in enumerate(A) if seed >= 2}
    found, metric = plans_of(lab, 2, (own, {2: A[2]}))
    assert [item.pairs for item in found] == [6, 3]
    assert [group.n for group in metric.groups] == [3, 3, 3]
    assert metric.notes == ("not every commit has seeds 3-5",)


def test_equal_samples_that_differ_in_value_are_said_and_the_smallest_id_counts(lab: Lab) -> None:
    own = dict(enumerate(A))
    _, metric = plans_of(lab, 0, (own, {**own, 3: 0.7}))
    assert [group.n for group in metric.groups] == [6, 6, 6]
    assert metric.groups[0].mean == pytest.approx(np.mean(A))
    (note,) = metric.notes
    assert note.startswith("not deterministic: f1 of the baseline differs between runs of seed 3;")


def test_commits_that_were_measured_on_other_data_are_not_compared_together(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"f1": dict(enumerate(A))})
    for letter, name, evaluation in (("c", "b", "e" * 64), ("d", "c", "f" * 64)):
        lab.repo.switch("main")
        lab.repo.switch(name, create=True)
        lab.change(ord(letter))
        lab.record(letter, {"f1": dict(enumerate(B))}, evaluation=evaluation)
    found = compare(lab.repo.workspace, ["main", "b", "c"], now=START)
    assert found[0].across is not None
    assert found[0].across.metrics == ()
    assert found[0].across.reason.startswith("c: the evaluation data differ")


def test_groups_that_do_not_vary_are_copies_and_not_tested(lab: Lab) -> None:
    sides = [{10 * i + s: 0.5 + i / 10 for s in range(4)} for i in range(3)]
    metric = only(three(lab, sides))
    assert metric.omnibus == ()
    assert any("the seed does not act" in note for note in metric.notes)


def test_one_group_that_does_not_vary_leaves_a_note(lab: Lab) -> None:
    sides = [{10 * i + s: 0.5 + i / 10 + s / 70 * (i > 0) for s in range(4)} for i in range(3)]
    metric = only(three(lab, sides))
    assert [item.test for item in metric.omnibus] == ["permutation-f", "kruskal-wallis"]
    assert any("does not vary" in note for note in metric.notes)


@pytest.mark.parametrize("held", ["main", "c", "d"])
def test_a_commit_that_is_one_draw_is_left_out_and_it_is_said(lab: Lab, held: str) -> None:
    live = 'import os, random\nr = random.Random(int(os.environ["GITEXP_SEED"]))\n'
    lab.init(files={"train.py": "import random\nr = random.Random(5)\n"})
    why = "no variation: the seed does not act on the"
    names = ("main", "b", "c", "d")
    for number, (letter, name) in enumerate(zip("bcde", names, strict=True)):
        lab.repo.switch("main")
        if name != "main":
            lab.repo.switch(name, create=True)
            text = live if name != held else f"{live}r = random.Random(6)\n"
            lab.repo.commit({"train.py": f"{text}depth = {number}\n"}, at=lab.tick())
        values = dict(enumerate(value + number / 10 for value in A))
        still = name == held
        lab.record(letter, {"f1": dict.fromkeys(values, 0.5 + number / 10) if still else values})
    across = compare(lab.repo.workspace, names, now=START)[0].across
    assert across is not None
    assert across.names == names
    (metric,) = across.metrics
    told = " ".join(metric.notes)
    if held == "main":  # each pair hangs on it
        assert (metric.omnibus, metric.groups) == ((), ())
        assert f"without d: {why} baseline: train.py, line 2 holds its seed fast" in told
        return
    assert f"without {held}: {why} candidate: train.py, line 3 holds its seed fast" in told
    assert [group.name for group in metric.groups] == [name for name in names if name != held]
    pairs = [{pair.first, pair.second} for family in metric.families for pair in family.pairs]
    assert metric.omnibus
    assert not [pair for pair in pairs if held in pair]


def model(lab: Lab, wrong: Sequence[int] | np.ndarray, total: int = 60) -> FileHash:
    """Put predictions into the cache that are wrong about some examples."""
    lines = ["id,y_true,y_pred"]
    lines += [f"{i:02},{i % 2},{1 - i % 2 if i in wrong else i % 2}" for i in range(total)]
    data = ("\n".join(lines) + "\n").encode()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    place = lab.repo.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return FileHash("pred.csv", Md5(md5), len(data))


def test_several_models_are_compared_by_cochrans_q(lab: Lab) -> None:
    lab.init(replace(CONFIG, predictions=Predictions("pred.csv")), {".dvc/config": ""})
    sides = {"main": range(20), "b": range(5, 14), "c": range(3, 22)}
    for letter, (name, wrong) in zip("bcd", sides.items(), strict=True):
        if name != "main":
            lab.repo.switch("main")
            lab.repo.switch(name, create=True)
            lab.change(ord(letter))
        accuracy = {0: 1 - len(wrong) / 60}
        lab.record(letter, {"accuracy": accuracy}, outputs={0: (model(lab, wrong),)})
    found = compare(lab.repo.workspace, list(sides), now=START)
    metric = only(found)
    assert metric.design == "examples"
    right = np.array([[i not in wrong for wrong in sides.values()] for i in range(60)], dtype=float)
    columns, rows = right.sum(axis=0), right.sum(axis=1)
    q = 2 * (3 * (columns**2).sum() - columns.sum() ** 2) / (3 * rows.sum() - (rows**2).sum())
    (cochran,) = metric.omnibus
    assert cochran.statistic == pytest.approx(q)
    assert cochran.p_value == pytest.approx(stats.chi2.sf(q, 2))
    against, among = metric.families
    lone = (0, 11)  # examples that main, or b, alone has wrong
    p = stats.binomtest(min(lone), sum(lone)).pvalue
    assert among.pairs[0].p_value == pytest.approx(3 * p)
    assert against.pairs[0].difference == pytest.approx(11 / 60)


def test_one_test_set_has_a_noise_that_blocks_of_seeds_leave_out(lab: Lab) -> None:
    """Each commit is right about 80 % of all examples, on its own ones; seeds add next to none."""
    lab.init(replace(CONFIG, predictions=Predictions("pred.csv")), {".dvc/config": ""})
    rng = np.random.default_rng(4)
    wrong = {}
    for letter, name in zip("bcd", ("main", "b", "c"), strict=True):
        if name != "main":
            lab.repo.switch("main")
            lab.repo.switch(name, create=True)
            lab.change(ord(letter))
        often = rng.random(60) < 0.2
        wrong[name] = [np.flatnonzero(often ^ (rng.random(60) < 0.02)) for _ in range(6)]
        accuracy = {seed: 1 - len(one) / 60 for seed, one in enumerate(wrong[name])}
        outputs = {seed: (model(lab, one),) for seed, one in enumerate(wrong[name])}
        other = {seed: value / 2 for seed, value in accuracy.items()}
        lab.record(letter, {"accuracy": accuracy, "f1": other}, outputs=outputs)
    found = compare(lab.repo.workspace, list(wrong), now=START)
    across = found[0].across
    assert across is not None
    metric, unknown = across.metrics
    assert metric.design == "repeats crossed with examples"
    against, among = metric.families
    (whole,) = metric.omnibus
    assert whole.p_value == min(pair.p_value for pair in among.pairs) > 0.2
    alone = [item.metrics[0].result for item in found]
    raw = [item.p_value for item in alone if item is not None]
    assert [pair.p_value for pair in against.pairs] == pytest.approx(
        [max(min(1, 2 * min(raw)), p) for p in raw]
    )
    # F1 is no number that these predictions give
    assert {item.title.endswith("over repeats alone") for item in unknown.omnibus} == {True}
    assert {item.title.endswith("over repeats alone") for item in unknown.families} == {True}
    assert any("noise of the one test set left out" in note for note in unknown.notes)


@pytest.mark.parametrize("blocked", [True, False])
def test_a_commit_that_varies_more_is_named_with_what_it_may_cost(
    lab: Lab, *, blocked: bool
) -> None:
    wide = tuple(0.5 + 8 * (value - 0.5) for value in C)
    seeds = [0, 0, 0] if blocked else [0, 10, 20]
    sides = [dict(enumerate(side, start)) for start, side in zip(seeds, (A, B, wide), strict=True)]
    metric = only(three(lab, sides))
    (text,) = metric.notes
    assert text.startswith("c varies ")
    assert ("rejects up to 8 %" in text) == blocked
    assert text.endswith("go by Games-Howell") != blocked
