"""Comparisons made by hand, for golden files and hostile input."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

from gitexp.model.comparison import (
    Category,
    CategoryComparison,
    Change,
    Comparison,
    EffectSize,
    Interval,
    MetricComparison,
    PlannedTest,
    Role,
    Side,
    SignificanceResult,
    Slice,
    SliceComparison,
    Unused,
)
from gitexp.model.ids import (
    CommitHash,
    EnvironmentDigest,
    EvaluationDigest,
    InputsDigest,
    PlanDigest,
)
from gitexp.model.plan import (
    BaselineRef,
    Claim,
    Direction,
    Effect,
    Guard,
    HypothesisKind,
    Person,
    Plan,
    Verdict,
)
from gitexp.model.result import (
    AcrossMetric,
    Family,
    Group,
    Omnibus,
    OmnibusComparison,
    Pairwise,
    VarianceShare,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BASELINE = (0.5712, 0.5689, 0.5803, 0.5751, 0.5660, 0.5778, 0.5721, 0.5699, 0.5742, 0.5735)
CANDIDATE = (0.6181, 0.6120, 0.6239, 0.6150, 0.6099, 0.6261, 0.6170, 0.6133, 0.6148, 0.6210)
EFFECT = Effect(HypothesisKind.SUPERIORITY, 0.05, relative=True)
INPUTS_A = InputsDigest("7d1f02a" + "0" * 57)
INPUTS_B = InputsDigest("e09c3d1" + "0" * 57)


def plan() -> Plan:
    """Return the plan of exp/engineered-features."""
    return Plan(
        name="engineered-features",
        branch="exp/engineered-features",
        objective="Find more of the customers who are about to leave.",
        hypothesis="Engineered features raise F1 by at least 5%.",
        claim=Claim.METHOD,
        metric="f1",
        direction=Direction.MAX,
        effect=EFFECT,
        alpha=0.05,
        repeats=10,
        guards=(Guard("log_loss", "<=", 0.05, relative=True),),
        baseline=BaselineRef("main", CommitHash("3fa9c1e" + "0" * 33)),
        evaluation=(),
        author=Person("Ada Lovelace", "ada@example.org"),
        created_at=datetime(2026, 2, 28, 9, 0, tzinfo=UTC),
        digest=PlanDigest("c0ffee1" + "0" * 57),
    )


def planned(*, alpha: float = 0.05, n: int = 10, one_sided: bool = True) -> PlannedTest:
    """Return the exact paired permutation test of n pairs."""
    return PlannedTest(
        test="paired-permutation",
        title="exact paired permutation of the mean",
        why=f"{n} repeats on both sides, joined by seed",
        n_baseline=n,
        n_candidate=n,
        paired=True,
        alpha=alpha,
        resamples=2**n,
        exact=True,
        smallest_p=(1 if one_sided else 2) / 2**n,
    )


def metric(  # noqa: PLR0913  a value of the model has that many fields
    name: str = "f1",
    *,
    role: Role = Role.PRIMARY,
    direction: Direction | None = Direction.MAX,
    baseline: tuple[float, ...] = BASELINE,
    candidate: tuple[float, ...] = CANDIDATE,
    half: float = 0.0024,
    result: SignificanceResult | None = None,
    p_adjusted: float | None = None,
    broken: bool = False,
    notes: tuple[str, ...] = (),
) -> MetricComparison:
    """Return a metric of paired samples with seeds 0, 1, ... and an interval of that half-width."""
    # fsum: the built-in sum rounds otherwise from Python 3.12 on
    left, right = math.fsum(baseline) / len(baseline), math.fsum(candidate) / len(candidate)
    difference = right - left
    return MetricComparison(
        metric=name,
        direction=direction,
        role=role,
        n_baseline=len(baseline),
        n_candidate=len(candidate),
        mean_baseline=left,
        mean_candidate=right,
        sd_baseline=0.0042,
        sd_candidate=0.0051,
        difference=difference,
        relative=difference / left if left > 0 else None,
        interval=Interval(difference - half, difference + half, 0.95, "t on paired differences"),
        relative_interval=Interval(
            (difference - half) / left, (difference + half) / left, 0.95, "Fieller"
        )
        if left > 0
        else None,
        effects=(EffectSize("Cohen's dz", 9.8, Interval(5.2, 14.4, 0.95, "noncentral t")),),
        result=result,
        beside=(),
        p_adjusted=p_adjusted,
        baseline_values=tuple(enumerate(baseline)),
        candidate_values=tuple(enumerate(candidate)),
        broken=broken,
        notes=notes,
    )


def side(name: str, commit: str, inputs: InputsDigest, run: str) -> Side:
    """Return a side with ten seeds."""
    return Side(
        name=name,
        commit=CommitHash(commit + "0" * (40 - len(commit))),
        inputs=inputs,
        environment=EnvironmentDigest("5eedfab" + "0" * 57),
        evaluation=EvaluationDigest("abcdef1" + "0" * 57),
        runs=(run,),
        seeds=tuple(range(10)),
        failed=0,
        wall_s=73.4,
    )


def supported() -> Comparison:
    """Return a hypothesis that held."""
    test = SignificanceResult(planned(), 2 / 1024, 1 / 1024, 1.0, 0.04362)
    beside = SignificanceResult(
        replace(
            planned(), test="paired-t", title="paired t", exact=False, resamples=0, smallest_p=0.0
        ),
        1e-9,
        3e-7,
        1.0,
        12.1,
    )
    watched = SignificanceResult(planned(one_sided=False), 0.0019, None, None)
    return Comparison(
        baseline=side("main", "3fa9c1e", INPUTS_A, "abcdefghijklmnop"),
        candidate=side("exp/engineered-features", "b81e640", INPUTS_B, "qrstuvwxyz234567"),
        plan=plan(),
        claim=Claim.METHOD,
        effect=EFFECT,
        verdict=Verdict.SUPPORTED,
        headline="f1 rises by at least 5 %: p = 0.00098, alpha = 0.05",
        reasons=(),
        metrics=(
            replace(metric(result=test), beside=(beside,)),
            metric(
                "log_loss",
                role=Role.GUARD,
                direction=Direction.MIN,
                baseline=(0.461, 0.459, 0.463, 0.460, 0.462),
                candidate=(0.447, 0.449, 0.446, 0.451, 0.448),
                half=0.0031,
                result=SignificanceResult(planned(n=5), 0.0625, 0.03125, 1.0),
            ),
            metric(
                "precision",
                role=Role.WATCHED,
                baseline=(0.651, 0.655, 0.649, 0.660, 0.652),
                candidate=(0.648, 0.659, 0.655, 0.651, 0.655),
                half=0.0065,
                result=watched,
                p_adjusted=0.62,
            ),
        ),
        changes=(
            Change("params", "features.engineered", "False", "True"),
            Change("code", "src/features.py", "0a1b2c3d4", "9f8e7d6c5"),
            Change("code", "src/tenure.py", "", "1234abcd5"),
        ),
        unused=(
            Unused("exploratory: not under this plan", "mnopqrstuvwxyz23", "scratch", (0, 1, 2)),
        ),
        warnings=(),
        looks=0,
        planned_repeats=10,
        pairs=10,
        next_step='gitexp conclude -m "what was learned"',
        compared_at=NOW,
        program="gitexp 0.1.0",
    )


def refuted() -> Comparison:
    """Return a gain that is real and smaller than promised, with a broken guard-rail."""
    base = supported()
    small = tuple(value + 0.011 - 0.0006 * (index % 4) for index, value in enumerate(BASELINE))
    test = SignificanceResult(planned(), 2 / 1024, 1.0, 1 / 1024, 0.0101)
    guard = replace(base.metrics[1], broken=True)
    return replace(
        base,
        verdict=Verdict.REFUTED,
        headline="f1 rises by less than the promised 5 %: p = 0.00098, alpha = 0.05",
        metrics=(metric(candidate=small, result=test, half=0.0006), guard, base.metrics[2]),
        warnings=("the guard-rail log_loss<=+5% is broken",),
    )


def exploratory() -> Comparison:
    """Return two revisions without a plan; no seed in common, and one side failed twice."""
    base = supported()
    independent = replace(
        planned(one_sided=False),
        test="permutation",
        title="exact permutation of the labels",
        why="10 and 4 repeats that share no seeds",
        n_candidate=4,
        paired=False,
        resamples=1001,
        smallest_p=2 / 1001,
    )
    test = SignificanceResult(independent, 0.0504, None, None)
    candidate = tuple((seed, value) for seed, value in enumerate(CANDIDATE[:4], 20))
    one = replace(
        metric(role=Role.WATCHED, candidate=CANDIDATE[:4], half=0.0061, result=test),
        candidate_values=candidate,
    )
    return replace(
        base,
        candidate=replace(base.candidate, seeds=(20, 21, 22, 23), failed=2),
        plan=None,
        effect=None,
        verdict=None,
        headline="no recorded hypothesis: exploratory",
        metrics=(one,),
        pairs=0,
        planned_repeats=None,
        next_step="gitexp new NAME --baseline main --metric f1:max",
    )


def undecidable() -> Comparison:
    """Return too few pairs."""
    base = supported()
    one = metric(baseline=BASELINE[:3], candidate=CANDIDATE[:3], half=0.02)
    return replace(
        base,
        verdict=Verdict.UNDECIDABLE,
        headline="3 of 10 planned pairs; no outcome of 3 pairs can reach alpha = 0.05",
        reasons=("5 pairs would do, 10 are planned",),
        metrics=(one,),
        pairs=3,
        next_step="gitexp run --with-baseline",
    )


def across() -> OmnibusComparison:
    """Return three commits on twelve data sets."""
    names = ("main", "exp/engineered-features", "exp/deeper")
    return OmnibusComparison(
        names,
        (
            AcrossMetric(
                metric="f1",
                direction=Direction.MAX,
                design="data sets",
                alpha=0.05,
                groups=(
                    Group(names[0], 12, 0.7512, 2.75),
                    Group(names[1], 12, 0.7803, 1.08),
                    Group(names[2], 12, 0.7551, 2.17),
                ),
                omnibus=(
                    Omnibus(
                        "iman-davenport", "Friedman, by Iman and Davenport's F", 19.2, 1.5e-5,
                        2.0, 22.0, planned=True,
                    ),
                ),
                families=(
                    Family(
                        "friedman-control", "mean ranks, Holm", "each against the baseline",
                        (
                            Pairwise(names[1], names[0], -1.67, None, 9.1e-5),
                            Pairwise(names[2], names[0], -0.58, None, 0.153),
                        ),
                    ),
                    Family(
                        "paired-permutation", "sign flips of the pairs, Holm", "all pairs",
                        (
                            Pairwise(
                                names[1], names[0], 0.0291,
                                Interval(0.021, 0.0372, 0.975, "t on paired differences"), 0.0009,
                            ),
                        ),
                    ),
                ),
                sizes=(EffectSize("eta squared", 0.31, Interval(0.08, 0.52, 0.95, "F")),),
                critical_difference=0.957,
                notes=("a group does not vary",),
            ),
        ),
    )  # fmt: skip


def crossed() -> Comparison:
    """Return a comparison whose noise is known, with subgroups and categories."""
    base = supported()
    first = replace(base.metrics[0], variance=VarianceShare(10, 704, 0.0021, 0.31, 0.62, 0.07))
    part = replace(base.metrics[0], n_baseline=300, n_candidate=300)
    result = base.metrics[0].result
    assert result is not None
    return replace(
        base,
        metrics=(first, *base.metrics[1:]),
        slices=SliceComparison(
            column="contract",
            metrics=("f1",),
            slices=(
                Slice("month-to-month", 380, "f1", part, 0.0039, 1.0),
                Slice("one-year", 214, "f1", replace(part, difference=0.002), 0.41, 0.62),
                Slice("two-year", 110, "f1", None, None, None, "an area needs both classes"),
            ),
            family=2,
            hidden=1,
            least=10,
        ),
        categories=CategoryComparison(
            column="y_pred",
            seeds=(0, 0),
            categories=(Category("0", 440, 402), Category("1", 264, 302)),
            result=replace(result, p_value=0.0012, p_support=None, p_refute=None),
            beside=(),
            cramers_v=0.055,
            note="categories below 10 examples are joined",
        ),
    )


ALL = {
    "crossed": (crossed(),),
    "together": (
        replace(supported(), across=across()),
        replace(refuted(), across=across()),
    ),
    "supported": (supported(),),
    "refuted": (refuted(),),
    "exploratory": (exploratory(),),
    "undecidable": (undecidable(),),
    "several": (supported(), refuted()),
}
