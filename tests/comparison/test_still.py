"""`compare` of sides that do not vary: no yes and no no, whatever the design."""

from __future__ import annotations

import random
import re
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.cli import main
from gitexp.comparison.compare import CompareOptions, compare, exit_code
from gitexp.comparison.counting import Count, Counted, Evaluation, SideCount
from gitexp.comparison.designs import Chosen, still
from gitexp.comparison.measure import CountedSides, Question
from gitexp.comparison.sides import ResolvedSide
from gitexp.model.comparison import Role
from gitexp.model.config import Predictions
from gitexp.model.ids import CommitHash
from gitexp.model.plan import (
    Claim,
    Direction,
    Effect,
    Guard,
    HypothesisKind,
    Stopping,
    StoppingRule,
    Verdict,
)
from gitexp.model.run import Repeat, RepeatState, Sample
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import Style
from gitexp.stats.decide import decide
from gitexp.store.lookup import FoundRun
from tests.comparison.test_predicted import cached
from tests.comparison.test_variation import COUNT, dead
from tests.lab.recorded import a_run
from tests.lab.records import CONFIG, START, Lab, one, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.comparison.randomness.variation import Trace
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

FOLDS = (0.81234, 0.79311, 0.80112, 0.82923, 0.80019)
DECIDED = {Verdict.SUPPORTED, Verdict.REFUTED, Verdict.EQUIVALENT}
REASON = "no variation: the seed does not act"


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def begin(lab: Lab, **plan: object) -> Plan:
    lab.init()
    planned = lab.plan(**{"effect": ">0", "repeats": 5} | plan)  # type: ignore[arg-type]
    lab.change()
    return planned


def both(lab: Lab, plan: Plan, make: Callable[[float], tuple[Sample, ...]]) -> None:
    lab.record("b", {}, of="main", plan=plan, samples=make(0.0))
    lab.record("c", {}, plan=plan, samples=make(0.01))


def repeats(gain: float) -> tuple[Sample, ...]:
    return tuple(Sample("f1", seed, 0.9 + gain) for seed in range(10))


def rounding(gain: float) -> tuple[Sample, ...]:
    return tuple(Sample("f1", seed, 0.9 + gain + 1e-16 * (seed % 3)) for seed in range(10))


def single(gain: float) -> tuple[Sample, ...]:
    """Return numbers of single precision, whose last place is rounding."""
    values = struct.unpack("ff", struct.pack("ff", 0.9 + gain, (0.9 + gain) * (1 + 1.2e-7)))
    return tuple(Sample("f1", seed, values[seed % 7 % 2]) for seed in range(10))


def unpaired(gain: float) -> tuple[Sample, ...]:
    start = 100 if gain else 0
    return tuple(Sample("f1", start + seed, 0.9 + gain) for seed in range(10))


def folds(gain: float) -> tuple[Sample, ...]:
    return tuple(
        Sample("f1", seed, value + gain * (1 + fold / 10), fold=fold, n_train=400, n_test=100)
        for seed in range(10)
        for fold, value in enumerate(FOLDS)
    )


def same_division(gain: float) -> tuple[Sample, ...]:
    """Return five repetitions of one division in two, each the same."""
    return tuple(
        Sample("f1", 0, value + gain * (1 + fold / 10), rep, fold, n_train=250, n_test=250)
        for rep in range(5)
        for fold, value in enumerate(FOLDS[:2])
    )


def datasets(gain: float) -> tuple[Sample, ...]:
    return tuple(
        Sample("f1", seed, 0.7 + index / 50 + gain * (1 + index / 10), dataset=f"set{index}")
        for seed in range(5)
        for index in range(12)
    )


def echoing(gain: float) -> tuple[Sample, ...]:
    """Return numbers of a script that also writes its seed and its time."""
    return (
        *repeats(gain),
        *(Sample("seed", seed, float(seed)) for seed in range(10)),
        *(Sample("fit_seconds", seed, 1 + seed / 7) for seed in range(10)),
    )


@pytest.mark.sweep(4)
@pytest.mark.parametrize(
    "make", [repeats, rounding, single, unpaired, folds, same_division, datasets, echoing]
)
def test_dead_repeats_decide_nothing_in_any_design(
    lab: Lab, make: Callable[[float], tuple[Sample, ...]]
) -> None:
    single = make is same_division
    both(lab, begin(lab, repeats=1 if single else 5), make)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE, result.headline
    assert result.headline.startswith("no variation: all" if single else REASON)
    assert exit_code([result]) == 6
    assert result.detectable is None
    (metric,) = (item for item in result.metrics if item.role is Role.PRIMARY)
    assert metric.result is None
    assert metric.interval is None
    assert metric.beside == ()
    if not single:
        assert "GITEXP_SEED" in result.next_step
        assert "seed: 42" not in result.next_step
    assert REASON in render((result,), Style()) or single


@pytest.mark.parametrize(
    "stopping", [Stopping(StoppingRule.ALWAYS_VALID), Stopping(StoppingRule.POCOCK, 2)]
)
def test_dead_repeats_decide_nothing_at_any_look(lab: Lab, stopping: Stopping) -> None:
    plan = begin(lab, repeats=20, stopping=stopping)
    lab.record("b", {"f1": dict.fromkeys(range(20), 0.9)}, of="main", plan=plan)
    lab.record("c", {"f1": dict.fromkeys(range(20), 0.95)}, plan=plan)
    assert one(lab).verdict is Verdict.UNDECIDABLE


def test_dead_repeats_over_one_test_set_decide_nothing_nor_do_their_subgroups(lab: Lab) -> None:
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    plan = lab.plan(metric="accuracy", effect=">0", repeats=5)
    lab.change()
    truth = [i % 2 for i in range(200)]
    for letter, of, right in (("b", "main", 150), ("c", "HEAD", 180)):
        output = cached(lab, truth, [y if i < right else 1 - y for i, y in enumerate(truth)])
        value = {"accuracy": dict.fromkeys(range(5), right / 200)}
        lab.record(letter, value, of=of, plan=plan, outputs=dict.fromkeys(range(5), (output,)))
    result = one(lab, options=CompareOptions(by="y_true"))
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.slices is None


def test_a_guard_rail_is_not_decided_by_dead_repeats(lab: Lab) -> None:
    plan = begin(lab, guards=(Guard("loss", "<=", 0.001, relative=False),))
    for letter, of, f1, loss in (("b", "main", 0.9, 0.3), ("c", "HEAD", 0.95, 0.4)):
        values = {"f1": dict.fromkeys(range(5), f1), "loss": dict.fromkeys(range(5), loss)}
        lab.record(letter, values, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert not any(item.broken for item in result.metrics)


@pytest.mark.parametrize(("size", "verdict"), [(12.0, "supported"), (14.0, "inconclusive")])
def test_a_guard_rail_without_chance_is_kept_or_keeps_the_yes_open(
    lab: Lab, size: float, verdict: str
) -> None:
    plan = begin(lab, guards=(Guard("size", "<=", 1.0, relative=False),))
    for letter, of, base, megabytes in (("b", "main", 0.6, 12.0), ("c", "HEAD", 0.7, size)):
        values = {"f1": scores(base, range(5)), "size": dict.fromkeys(range(5), megabytes)}
        lab.record(letter, values, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict(verdict), result.headline


def test_one_metric_that_stands_still_is_undecided_and_the_others_are_tested(lab: Lab) -> None:
    plan = begin(lab)
    for letter, of, gain in (("b", "main", 0.0), ("c", "HEAD", 0.1)):
        values = {
            "f1": scores(0.6 + gain, range(5)),
            "saturated": dict.fromkeys(range(5), 0.9 + gain),
            "recall": scores(0.5 + gain, range(5)),
        }
        lab.record(letter, values, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    tested = {item.metric: item.result is not None for item in result.metrics}
    assert tested == {"f1": True, "saturated": False, "recall": True}
    (recall,) = (item for item in result.metrics if item.metric == "recall")
    assert recall.result is not None
    assert recall.p_adjusted == recall.result.p_value, "the family has one member"


@pytest.mark.parametrize("by", ["numbers", "outputs"])
def test_a_primary_metric_that_stands_still_is_undecided_alone(lab: Lab, by: str) -> None:
    plan = begin(lab)
    for letter, of, gain in (("b", "main", 0.0), ("c", "HEAD", 0.05)):
        values: dict[str, Mapping[int, float]] = {"f1": dict.fromkeys(range(5), 0.9 + gain)}
        if by == "numbers":
            values["loss"] = scores(0.3, range(5))
        made = {seed: f"{seed}" * 64 for seed in range(5)} if by == "outputs" else None
        lab.record(letter, values, of=of, plan=plan, made=made)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.headline == "no variation: all repeats of either side report the same f1"


@pytest.mark.parametrize(("letters", "side"), [("bc", "candidate"), ("cb", "baseline")])
def test_one_side_without_chance_is_decided_and_said(lab: Lab, letters: str, side: str) -> None:
    plan = begin(lab, direction=Direction.MAX)
    values = [scores(0.6, range(5)), dict.fromkeys(range(5), 0.7)]
    if side == "baseline":
        values = [dict.fromkeys(range(5), 0.6), scores(0.7, range(5))]
    for letter, of, numbers in zip(letters, ("main", "HEAD"), values, strict=True):
        lab.record(letter, {"f1": numbers}, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    said = f"the {side} is deterministic here: all its repeats report the same f1"
    assert said in result.warnings
    assert any("one draw of many" in text for text in result.warnings)


FIXED = "import random\nr = random.Random(5)\nf1 = r.gauss(0.7, 0.03)\n"
LIVE = 'import os, random\nf1 = random.Random(int(os.environ["GITEXP_SEED"])).gauss(0.7, 0.03)\n'
UNREAD = "print('a script of R, or of whatever'); import some_solver\n"


def half_dead(lab: Lab, frozen: str, text: str = FIXED, **plan: object) -> Plan:
    """Begin an experiment of which one side draws on a seed that stands fixed."""
    sides = {"baseline": LIVE, "candidate": LIVE, frozen: text}
    lab.init(files={"train.py": sides["baseline"]})
    planned = lab.plan(**{"effect": ">0", "repeats": 6} | plan)  # type: ignore[arg-type]
    lab.repo.commit({"train.py": sides["candidate"], "params.yaml": "depth: 3\n"}, at=lab.tick())
    return planned


def per_fold(values: Mapping[int, float]) -> tuple[Sample, ...]:
    return tuple(
        Sample("f1", seed, value + fold / 50, fold=fold, n_train=400, n_test=100)
        for seed, value in values.items()
        for fold in range(5)
    )


def per_dataset(values: Mapping[int, float]) -> tuple[Sample, ...]:
    return tuple(
        Sample("f1", seed, value + index / 50, dataset=f"set{index}")
        for seed, value in values.items()
        for index in range(12)
    )


def whole(values: Mapping[int, float]) -> tuple[Sample, ...]:
    return tuple(Sample("f1", seed, value) for seed, value in values.items())


def apart(values: Mapping[int, float]) -> tuple[Sample, ...]:
    start = 0 if len(set(values.values())) > 1 else 50
    return tuple(Sample("f1", start + seed, value) for seed, value in values.items())


@pytest.mark.sweep
@pytest.mark.parametrize("frozen", ["baseline", "candidate"])
@pytest.mark.parametrize("text", [FIXED, UNREAD], ids=["fixed", "unread"])
@pytest.mark.parametrize(
    ("make", "stopping"),
    [
        (whole, None),
        (whole, Stopping(StoppingRule.ALWAYS_VALID)),
        (apart, None),
        (per_fold, None),
        (per_dataset, None),
    ],
    ids=["whole", "looks", "apart", "folds", "datasets"],
)
def test_one_draw_of_a_side_whose_seed_stands_fixed_decides_nothing(
    lab: Lab,
    frozen: str,
    text: str,
    make: Callable[[Mapping[int, float]], tuple[Sample, ...]],
    stopping: Stopping | None,
) -> None:
    plan = half_dead(lab, frozen, text, stopping=stopping)
    low, high = (0.1, 0.9) if frozen == "baseline" else (0.9, 0.1)
    values = {"baseline": scores(0.5, range(6)), "candidate": scores(0.5, range(6))}
    values[frozen] = dict.fromkeys(range(6), low)
    for letter, of, side in (("b", "main", "baseline"), ("c", "HEAD", "candidate")):
        lab.record(letter, {}, of=of, plan=plan, samples=make(values[side]))
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE, (result.headline, high)
    assert result.headline.startswith(f"{REASON} on the {frozen}: ")
    assert (text is FIXED) == ("train.py, line 2" in result.headline)
    assert result.metrics[0].result is None
    assert result.metrics[0].interval is None
    assert exit_code([result]) == 6
    step = "then gitexp run --with-baseline"
    if frozen == "baseline":
        step = (
            'on main: .*then gitexp amend-plan --baseline main --why ".*" and gitexp run --with-b'
        )
    assert re.search(step, result.next_step)


@pytest.mark.parametrize("frozen", ["baseline", "candidate"])
def test_a_guard_rail_is_not_judged_on_one_draw(lab: Lab, frozen: str) -> None:
    plan = half_dead(lab, frozen, guards=(Guard("loss", "<=", 0.001, relative=False),))
    for letter, of, side, gain in (("b", "main", "baseline", 0), ("c", "HEAD", "candidate", 0.1)):
        still = dict.fromkeys(range(6), 0.3 if side == "baseline" else 0.1)
        loss = still if side == frozen else scores(0.2, range(6))
        values = {"f1": scores(0.6 + gain, range(6)), "loss": loss}
        lab.record(letter, values, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE, result.headline
    assert result.headline.startswith("the guard-rail on loss cannot be judged: no variation")
    assert not any(item.broken for item in result.metrics)


SPLIT = "a, b = train_test_split(X, random_state=42)\n"
FREE = SPLIT.replace("42", 'int(os.environ["GITEXP_SEED"])')
PART = "Z = PCA(random_state=0).fit_transform(X)\n"
ALONE = "holds its seed fast: Z = PCA(random_state=0).fit_transform(X); the {} has no such draw"


@pytest.mark.parametrize(
    ("base", "mine", "verdict", "said"),
    [
        ("", "", "supported", ""),
        (SPLIT, SPLIT, "supported", ""),
        (SPLIT, SPLIT.replace("X,", "X_new,"), "supported", ""),
        ("", PART, "supported", ALONE.format("baseline")),
        (PART, "", "supported", ALONE.format("candidate")),
        (SPLIT, FREE, "undecidable", "baseline fast that the candidate makes otherwise: a, b = tr"),
        (FREE, SPLIT, "undecidable", "candidate fast that the baseline makes otherwise: a, b = tr"),
        (SPLIT, SPLIT.replace("2", "3"), "undecidable", "train.py, line 3 holds a draw of the "),
    ],
)
def test_a_draw_that_no_repeat_changes_beside_one_that_each_does_is_the_same_on_both_sides(
    lab: Lab, base: str, mine: str, verdict: str, said: str
) -> None:
    lab.init(files={"train.py": LIVE + base})
    plan = lab.plan(effect=">0", repeats=6)
    lab.repo.commit({"train.py": f"{LIVE}{mine}# deeper\n"}, at=lab.tick())
    for letter, of, value in (("b", "main", 0.5), ("c", "HEAD", 0.6)):
        lab.record(letter, {"f1": scores(value, range(6))}, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict(verdict)
    told = [e for e in (result.headline, *result.warnings) if "train.py, line" in e]
    assert bool(told) == bool(said)
    assert said in " ".join(told)
    if verdict == "undecidable":
        assert result.metrics[0].result is None
        assert "train_test_split(X, random_state=int(os.environ" in result.next_step


def test_data_divided_alike_on_both_sides_are_a_condition_and_no_draw(lab: Lab) -> None:
    split = "from sklearn.model_selection import train_test_split as s\ns(x, random_state=0)\n"
    lab.init(files={"train.py": split})
    plan = lab.plan(effect=">0", repeats=6)
    lab.repo.commit({"train.py": split + LIVE}, at=lab.tick())
    lab.record("b", {"f1": dict.fromkeys(range(6), 0.6)}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.7, range(6))}, plan=plan)
    assert one(lab).verdict is Verdict.SUPPORTED
    lab.repo.commit({"train.py": split.replace("0)", "1)") + LIVE}, at=lab.tick())
    lab.record("d", {"f1": scores(0.7, range(6))}, plan=plan)
    assert one(lab).verdict is Verdict.UNDECIDABLE


VERBS: Mapping[str, tuple[str, ...]] = {  # `show` after there is a conclusion to show
    "compare": (),
    "status": (),
    "review": ("main...HEAD",),
    "conclude": ("-m", "it is better"),
    "show": ("deep",),
}


@pytest.mark.parametrize(
    ("text", "said"),
    [(FIXED, "train.py, line 2 holds its seed fast"), ("f1 = 0.1\n", "baseline (always )?report")],
    ids=["one draw", "no chance"],
)
def test_each_verb_says_that_one_side_always_reports_the_same(
    lab: Lab, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    plan = half_dead(lab, "baseline", text)
    lab.record("b", {"f1": dict.fromkeys(range(6), 0.1)}, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.5, range(6))}, plan=plan)
    for verb, given in VERBS.items():
        # -q of these two says where one is, and whether a rule is broken
        for form in ("-v" if verb in {"status", "review"} else "-q", "--json"):
            asked = [*given, *(["--dry-run"] if (verb, form) == ("conclude", "-q") else [])]
            main.main(["-C", str(lab.repo.path), verb, *asked, form])
            answer = capsys.readouterr().out
            assert re.search(said, answer), (verb, form, answer)


@pytest.mark.parametrize("sign", ["made", "loss", "an earlier repeat", "none"])
@pytest.mark.parametrize("alone", [True, False], ids=["one side", "both"])
def test_no_place_is_blamed_where_something_recorded_shows_that_the_seed_acts(
    lab: Lab, capsys: pytest.CaptureFixture[str], sign: str, *, alone: bool
) -> None:
    plan = half_dead(lab, "baseline")
    if not alone:
        lab.repo.commit({"train.py": f"{FIXED}# deeper\n"}, at=lab.tick())
    same = dict.fromkeys(range(6), 0.1)
    losses = {"loss": scores(0.3, range(6)) if sign == "loss" else same}
    for letter, of, values in (("b", "main", same), ("c", "HEAD", scores(0.5, range(6)))):
        made = {seed: f"{seed if sign == 'made' else 0:064x}" for seed in range(6)}
        told = same if letter == "b" or not alone else values
        lab.record(letter, {"f1": told, **losses}, of=of, plan=plan, made=made)
        if sign == "an earlier repeat":
            lab.record(chr(ord(letter) + 3), {"f1": {97: 0.7}, "loss": {97: 0.1}}, of=of)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    main.main(["-C", str(lab.repo.path), "status", "-v"])
    told_of = [result.headline, result.next_step, *result.warnings, capsys.readouterr().out]
    blamed = [text for text in told_of if "line 2" in text or "seed was held" in text]
    assert bool(blamed) == (sign == "none"), blamed
    if alone and sign != "none":
        assert "coarse numbers agree by chance" in result.headline
        assert result.next_step == still.FINER


def test_one_metric_that_saturates_does_not_make_a_side_deterministic(lab: Lab) -> None:
    plan = begin(lab)
    saturated = {"f1": dict.fromkeys(range(5), 1.0), "loss": scores(0.3, range(5))}
    lab.record("b", saturated, of="main", plan=plan)
    lab.record("c", {"f1": scores(0.6, range(5)), "loss": scores(0.3, range(5))}, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.REFUTED
    assert "the baseline: all its repeats report the same f1" in result.warnings
    assert not any("deterministic" in text for text in (result.headline, *result.warnings))


@pytest.mark.parametrize("direction", [Direction.MAX, Direction.MIN])
@pytest.mark.parametrize("frozen", ["candidate", "both"])
def test_a_metric_at_its_best_value_is_the_reason_and_no_line_of_the_text(
    lab: Lab, frozen: str, direction: Direction
) -> None:
    """Whatever stands fixed in the text: another seed would give the same."""
    plan = half_dead(lab, "candidate", FIXED + LIVE, direction=direction)
    value = 1.0 if direction is Direction.MAX else 0.0
    best = {"f1": dict.fromkeys(range(6), value)}
    theirs = best if frozen == "both" else {"f1": scores(0.5, range(6))}
    lab.record("b", theirs, of="main", plan=plan)
    lab.record("c", best, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    whose = "of either side" if frozen == "both" else "its"
    said = (
        f"repeats {'' if whose == 'its' else whose + ' '}report {value:g}, the best that f1 can be"
    )
    assert said in result.headline
    assert "line" not in result.headline
    assert result.next_step == still.FINER


def test_the_same_difference_in_every_pair_is_decided(lab: Lab) -> None:
    plan = begin(lab)
    low = scores(0.6, range(5))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {seed: value + 0.05 for seed, value in low.items()}}, plan=plan)
    assert one(lab).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("paired", [True, False])
def test_copies_of_a_few_repeats_are_no_samples(lab: Lab, *, paired: bool) -> None:
    """The seed acts in part, as `seed % 2` does."""
    plan = begin(lab)
    chance = random.Random(5)  # noqa: S311  the same in each run of the suite
    for letter, of, gain, start in (("b", "main", 0, 0), ("c", "HEAD", 0.1, 0 if paired else 50)):
        few = [chance.random() / 50 for _ in range(2)]
        values = {start + seed: 0.6 + gain + few[seed % 2] for seed in range(10)}
        lab.record(letter, {"f1": values}, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert "only 2 differ" in result.headline


@pytest.mark.sweep(6)
@pytest.mark.parametrize("side", ["baseline", "candidate"])
@pytest.mark.parametrize(
    "rule", [lambda seed: seed % 2, lambda seed: min(seed, 3), lambda seed: seed // 5]
)
@pytest.mark.parametrize("paired", [True, False])
def test_copies_on_one_side_are_no_samples_whatever_the_other_does(
    lab: Lab, rule: Callable[[int], int], side: str, *, paired: bool
) -> None:
    plan = begin(lab)
    chance = random.Random(5)  # noqa: S311  the same in each run of the suite
    drawn = [chance.random() / 50 for _ in range(10)]
    for letter, of, name in (("b", "main", "baseline"), ("c", "HEAD", "candidate")):
        start = 0 if paired or name == "baseline" else 50
        values = {
            start + seed: (0.7 + drawn[rule(seed)]) if name == side else 0.6 + chance.random() / 50
            for seed in range(10)
        }
        lab.record(letter, {"f1": values}, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert f"acts in part on the {side}" in result.headline


def test_a_method_with_few_outcomes_is_decided_and_it_is_said(lab: Lab) -> None:
    plan = begin(lab)
    outcomes = [0.6180339887498949, 0.6065306597126334, 0.6931471805599453]
    drawn = [0, 0, 1, 0, 2, 0, 0, 1, 0, 0]
    for letter, of, gain in (("b", "main", 0.0), ("c", "HEAD", 0.1)):
        values = {seed: outcomes[which] + gain for seed, which in enumerate(drawn)}
        lab.record(letter, {"f1": values}, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert any("of 10 repeats only 3 differ" in text for text in result.warnings)


@pytest.mark.parametrize("paired", [True, False])
def test_a_seed_that_acts_in_part_by_the_text_is_no_method_with_few_outcomes(
    lab: Lab, *, paired: bool
) -> None:
    text = LIVE.replace('int(os.environ["GITEXP_SEED"])', 'hash(os.environ["GITEXP_SEED"]) % 3')
    plan = half_dead(lab, "baseline", text)
    chance = random.Random(5)  # noqa: S311  the same in each run of the suite
    of_seed = [0, 2, 1, 0, 1, 1, 2, 0, 1, 1]
    for letter, of, start in (("b", "main", 0), ("c", "HEAD", 0 if paired else 50)):
        few = [chance.random() for _ in range(3)]
        values = {start + seed: few[which] for seed, which in enumerate(of_seed)}
        lab.record(letter, {"f1": values}, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert "only 3 differ, train.py, line 2" in result.headline
    assert result.next_step.startswith("on main: in train.py, line 2")


def test_a_number_that_two_metrics_repeat_is_one_member_of_the_family(lab: Lab) -> None:
    plan = begin(lab)
    rise = [0.02, 0.01, -0.005, 0.015, 0.01, 0.02, -0.001, 0.03, 0.01, 0.012]
    for letter, of, gain in (("b", "main", 0), ("c", "HEAD", 1)):
        loss = {s: v + gain * rise[s] for s, v in scores(0.3, range(10)).items()}
        recall = scores(0.5 + gain / 10, range(10))
        f1 = scores(0.6 + gain / 10, range(10))
        values = {"f1": f1, "loss": loss, "curve:loss.final": loss, "recall": recall}
        lab.record(letter, {**values, "curve:f1.final": f1}, of=of, plan=plan)
    found = {item.metric: item for item in one(lab).metrics}
    p = {name: item.result.p_value for name, item in found.items() if item.result is not None}
    assert found["curve:f1.final"].p_adjusted is None
    assert found["recall"].p_adjusted == 2 * p["recall"]
    assert (
        found["loss"].p_adjusted
        == found["curve:loss.final"].p_adjusted
        == max(p["loss"], 2 * p["recall"])
    )


def test_coarse_numbers_of_a_live_script_are_no_copies(lab: Lab) -> None:
    plan = begin(lab)
    low = {seed: (17 + seed % 2) / 20 for seed in range(10)}
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {seed: value + 0.05 for seed, value in low.items()}}, plan=plan)
    assert one(lab).verdict is Verdict.SUPPORTED


TRAINED = (
    "import os\nfrom sklearn.ensemble import RandomForestClassifier\n"
    "from sklearn.model_selection import train_test_split\n"
    "a, b = train_test_split(range(90), random_state=42)\n"
    'RandomForestClassifier(random_state=int(os.environ["GITEXP_SEED"])).fit(a, b)\n'
)


@pytest.mark.parametrize(
    ("text", "said", "step"),
    [
        (TRAINED, f"{REASON} on what is recorded, though it is drawn on: ", "a finer metric"),
        (TRAINED.replace('int(os.environ["GITEXP_SEED"])', "42"), f"{REASON}: ", "in train.py"),
    ],
)
def test_numbers_too_coarse_for_a_seed_that_is_drawn_on_are_told_from_an_idle_one(
    lab: Lab, text: str, said: str, step: str
) -> None:
    plan = half_dead(lab, "baseline", text)
    lab.repo.commit({"train.py": text, "params.yaml": "depth: 4\n"}, at=lab.tick())
    both(lab, plan, repeats)
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert result.headline.startswith(said)
    assert result.next_step.startswith(step)


def test_one_run_a_side_is_not_asked_whether_it_varies(lab: Lab) -> None:
    plan = begin(lab, repeats=1)
    both(lab, plan, lambda gain: datasets(gain)[:12])
    assert one(lab).verdict is Verdict.SUPPORTED


def test_several_dead_commits_are_not_tested_together(lab: Lab) -> None:
    lab.init()
    for letter, name in (("b", "main"), ("c", "one"), ("d", "two")):
        lab.repo.switch("main")
        if name != "main":
            lab.repo.switch(name, create=True)
            lab.change(ord(letter))
        lab.record(letter, {"f1": dict.fromkeys(range(8), ord(letter) / 200)})
    found = compare(lab.repo.workspace, ["main", "one", "two"], now=START)
    assert [item.metrics[0].result for item in found] == [None, None]
    together = found[0].across
    assert together is not None
    assert [metric.omnibus for metric in together.metrics] == [()] * len(together.metrics)
    assert "the seed does not act" in str(together)


def test_a_claim_about_one_model_is_not_asked_for_variation(lab: Lab) -> None:
    config = replace(CONFIG, predictions=Predictions("pred.csv", positive="1"))
    lab.init(config, {".dvc/config": ""})
    plan = lab.plan(claim=Claim.MODEL, repeats=1, metric="accuracy", effect=">0")
    lab.change()
    truth = [i % 2 for i in range(200)]
    for letter, of, right in (("b", "main", 150), ("c", "HEAD", 180)):
        output = cached(lab, truth, [y if i < right else 1 - y for i, y in enumerate(truth)])
        value = {"accuracy": dict.fromkeys(range(2), right / 200)}
        lab.record(letter, value, of=of, plan=plan, outputs=dict.fromkeys(range(2), (output,)))
    assert one(lab).verdict is Verdict.SUPPORTED


def test_a_dead_script_decides_on_its_time_alone_and_it_is_said(lab: Lab) -> None:
    plan = begin(lab, metric="fit_seconds", direction=Direction.MIN)
    for letter, of, base in (("b", "main", 3.0), ("c", "HEAD", 2.0)):
        values = {"fit_seconds": scores(base, range(5)), "f1": dict.fromkeys(range(5), 0.9)}
        lab.record(letter, values, of=of, plan=plan)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert any(REASON in text for text in result.warnings)


def side(traces: list[Trace]) -> SideCount:
    """Take repeats for those of a recorded run."""
    run, _ = a_run(1, [])
    repeats = {}
    for item in traces:
        samples = {
            key: Sample(key[0], item.seed, value, *key[1:3], dataset=key[3])
            for key, value in item.numbers.items()
        }
        repeat = Repeat(item.seed, RepeatState.FINISHED, made=item.made)
        found = FoundRun(run, (), CommitHash("a" * 40), 0)
        repeats[item.seed] = Counted(found, repeat, samples)
    return SideCount(repeats, None, "", ())


@pytest.mark.slow
def test_no_pair_of_a_thousand_dead_scripts_gets_a_verdict() -> None:
    run, _ = a_run(1, [])
    commit = CommitHash("a" * 40)
    source = ResolvedSide("a", commit, commit, commit, CONFIG, run.inputs)
    effect = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False)
    question = Question("m0", Role.PRIMARY, Direction.MAX, effect, 0.05)
    for number in range(COUNT):
        one, two = side(dead(number)[:5]), side(dead(number + COUNT)[:5])
        count = Count(one, two, tuple(range(5)), "", (), (), 0, 1)
        same = Evaluation((), undeclared=True, bases=())
        situation = CountedSides(None, source, source, None, Claim.METHOD, count, same)
        assert still.why(situation).startswith(REASON)
        answer = Chosen(situation).measure(question)
        assert answer.comparison is not None
        verdict = decide(effect.kind, answer.comparison.result)
        assert verdict is Verdict.UNDECIDABLE
