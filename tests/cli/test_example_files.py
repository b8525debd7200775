"""`gitexp test` on a score of each example: what scipy says of the same numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from gitexp.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Row = dict[str, object]
    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Write the rows of two files and test them; gives exit code, stdout and stderr."""

    def call(
        left: Sequence[Row], right: Sequence[Row], *options: str, ending: str = "jsonl"
    ) -> tuple[int, str, str]:
        for name, rows in (("a", left), ("b", right)):
            text = "\n".join(map(json.dumps, rows))
            if ending == "csv":
                cells = [rows[0], *(row.values() for row in rows)]
                text = "\n".join(",".join(map(str, row)) for row in cells)
            (tmp_path / f"{name}.{ending}").write_text(text, "utf-8")
        code = main(["test", *options, "-C", str(tmp_path), f"a.{ending}", f"b.{ending}"])
        return code, *capsys.readouterr()

    return call


def scores(n: int, seed: int, shift: float, *, times: int = 1, key: str = "question") -> list[Row]:
    """Return judged answers: a question's own difficulty, and noise of each answer."""
    hard = np.random.default_rng(7).normal(size=n)
    rng = np.random.default_rng(seed)
    return [
        {key: f"q{i}", "user": f"u{i // 4}", "judge": round(hard[i] + shift + rng.normal(), 4),
         "passed": bool(rng.random() < 0.5 + shift / 2)}
        for _ in range(times) for i in range(n)
    ]  # fmt: skip


def swapped(low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Return scipy's p-value of random swaps, and the error of its difference from ours."""
    p = stats.permutation_test(
        (high, low), lambda a, b, axis: (a - b).mean(axis), permutation_type="samples",
        alternative="greater", n_resamples=50_000, rng=1, vectorized=True,
    ).pvalue  # fmt: skip
    return p, (p * (1 - p) * (1 / 20_000 + 1 / 50_000)) ** 0.5


def means(rows: Sequence[Row], column: str, by: str = "question") -> np.ndarray:
    keys = sorted({row[by] for row in rows})
    return np.array([np.mean([row[column] for row in rows if row[by] == k]) for k in keys])


@pytest.mark.sweep
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("times", [(1, 1), (4, 4), (3, 5)])
def test_the_mean_of_any_column_is_paired_over_examples(
    run: Run, times: tuple[int, int], ending: str
) -> None:
    left, right = scores(60, 1, 0, times=times[0]), scores(60, 2, 0.3, times=times[1])
    right = right[::2] + right[1::2]
    code, out, err = run(
        left, right, "--metric", "judge:max", "--effect", ">0", "--json", ending=ending
    )
    assert code in {0, 6}, err
    answer = json.loads(out)
    (metric,) = answer["metrics"]
    low, high = means(left, "judge"), means(right, "judge")
    assert metric["mean_baseline"] == pytest.approx(low.mean(), rel=1e-12)
    assert metric["difference"] == pytest.approx((high - low).mean(), rel=1e-9)
    (t,) = metric["beside"]
    expected = stats.ttest_rel(high, low, alternative="greater").pvalue
    assert t["p_support"] == pytest.approx(expected, rel=1e-9)
    swaps, error = swapped(low, high)
    assert abs(metric["result"]["p_support"] - swaps) < 4 * error + 1e-4
    interval = stats.ttest_rel(high, low).confidence_interval()
    width = interval.high - interval.low
    assert metric["interval"]["low"] == pytest.approx(interval.low, abs=width / 20)
    assert metric["interval"]["high"] == pytest.approx(interval.high, abs=width / 20)


def test_how_often_each_question_was_answered_is_said(run: Run) -> None:
    cases = {
        (1, 1): "",
        (4, 4): "each of 50 questions was answered 4 times: the mean of its samples is one",
        (4, 1): "each of 50 questions was answered 4 times in a.jsonl, once in b.jsonl: the mean",
    }
    for times, said in cases.items():
        files = (scores(50, 1, 0, times=times[0]), scores(50, 2, 0.9, times=times[1]))
        code, out, err = run(*files, "--metric", "judge:max", "--effect", ">0")
        assert code == 0, err
        assert said in out
        assert ("was answered" in out) is bool(said)
        how = "these samples of each model's answers" if said else "one run of each model"
        assert f"questions like these, paired over 50 of them; {how}" in out


@pytest.mark.parametrize("column", ["passed", "exact_match", "accuracy"])
def test_what_is_right_or_wrong_is_tested_exactly(run: Run, column: str) -> None:
    left, right = (
        [{"id": row["question"], column: row["passed"]} for row in scores(80, *how)]
        for how in ((1, 0.0), (2, 0.5))
    )
    code, out, err = run(left, right, "--metric", f"{column}:max", "--effect", ">0", "--json")
    assert code in {0, 6}, err
    (metric,) = json.loads(out)["metrics"]
    low, high = means(left, column, "id"), means(right, column, "id")
    won, lost = int((high > low).sum()), int((high < low).sum())
    assert metric["result"]["test"]["test"] == "mcnemar"
    exact = stats.binomtest(won, won + lost, alternative="greater").pvalue
    assert metric["result"]["p_support"] == pytest.approx(exact, rel=1e-12)
    assert metric["difference"] == pytest.approx((high - low).mean(), rel=1e-12)


@pytest.mark.parametrize("times", [1, 3])
def test_examples_of_one_cluster_are_drawn_whole(run: Run, times: int) -> None:
    left, right = scores(240, 1, 0, times=times), scores(240, 2, 0.1, times=times)
    how = ("--metric", "judge:max", "--effect", ">0")
    _, out, _ = run(left, right, *how)
    assert "several examples are of one user, and each counts as its own: --cluster user" in out
    code, out, err = run(left, right, *how, "--cluster", "user", "--json")
    assert code in {0, 6}, err
    (metric,) = json.loads(out)["metrics"]
    low, high = means(left, "judge", "user"), means(right, "judge", "user")
    assert metric["result"]["test"]["n_baseline"] == 60
    assert metric["difference"] == pytest.approx((high - low).mean(), rel=1e-9)
    swaps, error = swapped(low, high)
    assert abs(metric["result"]["p_support"] - swaps) < 4 * error + 1e-4
    code, _, err = run(left, right, *how, "--cluster", "nobody")
    assert (code, "no column nobody" in err) == (3, True), err


def test_a_margin_needs_as_many_examples_as_for_any_other_mean(run: Run) -> None:
    how = ("--metric", "judge:max", "--effect", ">=0.1")
    _, out, _ = run(scores(60, 1, 0), scores(60, 2, 2), *how)
    assert out.startswith("UNDECIDABLE")
    assert "200 would do" in out.splitlines()[0]
    code, out, _ = run(scores(200, 1, 0), scores(200, 2, 2), *how)
    assert (code, out.split()[0]) == (0, "SUPPORTED")


def test_a_latency_is_a_score_like_others(run: Run) -> None:
    left, right = (
        [{"prompt_id": i, "latency_ms": 100 + 10 * (i % 7) + shift + i % 3} for i in range(30)]
        for shift in (0, -5)
    )
    code, out, err = run(left, right, "--metric", "latency_ms:min", "--effect", ">0")
    assert (code, out.split()[0]) == (0, "SUPPORTED"), err


# columns of both files -> the design that is taken, "" where somebody has to say it, and a proposal
COLUMNS = {
    "question,judge": ("examples", ""),
    "question,sample,judge": ("examples", ""),
    "example_id,epoch,seed_of_model,judge": ("examples", ""),
    "document,question,judge": ("examples", ""),
    "id,y_true,y_pred": ("examples", ""),
    "judge": ("", "--design and one of these"),
    "run,judge": ("", "--design and one of these"),
    "run_id,judge": ("", "--design and one of these"),
    "row,judge": ("", "--design and one of these"),
    "dataset_name,judge": ("", "--design and one of these"),
    "checkpoint_path,judge": ("", "--design and one of these"),
    "model,judge": ("", "--design and one of these"),
    "seed,judge": ("", "--design paired"),
    "fold,n_train,n_test,judge": ("", "--design folds"),
    "dataset,judge": ("", "--design datasets"),
}


@pytest.mark.parametrize("columns", COLUMNS)
def test_examples_are_known_by_their_ids_and_nothing_else_is_guessed(
    run: Run, columns: str
) -> None:
    taken, proposal = COLUMNS[columns]
    named = columns.split(",")
    times = range(2 if {"sample", "epoch"} & {*named} else 1)
    made = {"seed_of_model": 3, "n_train": 90, "n_test": 10, "model": "m"}
    rows = [
        {
            name: {
                "sample": k, "epoch": k, "document": f"d{i // 5}", "judge": i % 7 + k,
                "y_true": i % 2, "y_pred": i % 3 % 2, **made,
            }.get(name, i)
            for name in named
        }
        for k in times for i in range(40)
    ]  # fmt: skip
    metric = "judge" if "judge" in named else "accuracy"
    code, out, err = run(rows, rows, "--metric", metric, ending="csv")
    if taken:
        assert code == 0, err
        assert "40 examples" in out
        assert "document" not in named or "--cluster document draws them whole" in out
        explicit = run(rows, rows, "--metric", metric, "--design", taken, ending="csv")
        assert explicit == (code, out, err)
    else:
        assert (code, out) == (2, "")
        assert proposal in err


def test_columns_that_tell_examples_apart_otherwise_are_named(run: Run) -> None:
    rows = [{"question": i, "user": u, "judge": i * u} for i in range(5) for u in range(4)]
    code, _, err = run(rows, rows, "--metric", "judge")
    assert (code, "question and user tell examples apart in different ways" in err) == (3, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"question": "other"}, "in the first only: 'q3'; in the second only: 'other'"),
        ({"judge": "good"}, "judge is not a number"),
        ({"judge": None}, "judge is not a number"),
        ({"judge": 1e999}, "not finite"),
        ({"question": ""}, "a row has no question"),
    ],
)
def test_an_example_without_a_partner_or_a_number_is_named(
    run: Run, change: Row, said: str
) -> None:
    left, right = scores(20, 1, 0), scores(20, 2, 0)
    right[3] |= change
    code, out, err = run(left, right, "--metric", "judge", "--design", "examples")
    assert (code, out, said in err) == (3, "", True), err
    assert ("leave out of both files what one has alone" in err) is ("first only" in said)


def test_without_a_metric_the_only_column_of_scores_is_meant(run: Run) -> None:
    only = [{"id": f"q{i}", "sample": 0, "judge": i} for i in range(9)]
    code, out, err = run(only, only)
    assert code == 0, err
    assert "judge changes by" in out
    code, _, err = run(scores(9, 1, 0), scores(9, 2, 0))
    assert (code, "expected  judge, passed" in err) == (2, True), err


def test_rows_in_the_long_form_are_of_their_metric(run: Run) -> None:
    wide = [scores(30, 1, 0), scores(30, 2, 0.5)]
    long = [
        [{"question": row["question"], "metric": name, "value": float(row[name])}
         for row in rows for name in ("judge", "passed")]
        for rows in wide
    ]  # fmt: skip
    how = ("--metric", "judge:max", "--effect", ">0", "--json")
    one, two = (json.loads(run(*files, *how)[1])["metrics"][0] for files in (wide, long))
    assert one["result"]["p_value"] == two["result"]["p_value"]
    assert one["interval"] == two["interval"]


def test_swapping_the_files_mirrors_the_answer(run: Run) -> None:
    files = scores(40, 1, 0, times=2), scores(40, 2, 0.4, times=3)
    how = ("--metric", "judge", "--json")
    one, two = (json.loads(run(*both, *how)[1])["metrics"][0] for both in (files, files[::-1]))
    assert one["difference"] == pytest.approx(-two["difference"])
    assert one["result"]["p_value"] == two["result"]["p_value"]


def chen(n: int, c: int, k: int) -> float:
    """Return pass@k as Chen et al. (2021) compute it, as a product."""
    return 1.0 if n - c < k else 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("name", ["passed", "pass"])
def test_pass_at_k_is_the_unbiased_one(run: Run, name: str, k: int) -> None:
    left, right = scores(40, 1, 0, times=6), scores(40, 2, 0.4, times=9)
    code, out, err = run(left, right, "--metric", f"{name}@{k}:max", "--effect", ">0", "--json")
    assert code in {0, 6}, err
    (metric,) = json.loads(out)["metrics"]
    assert metric["metric"] == f"{name}@{k}"
    sides = []
    for rows, n in ((left, 6), (right, 9)):
        sides.append(np.array([chen(n, round(each * n), k) for each in means(rows, "passed")]))
    assert metric["mean_baseline"] == pytest.approx(sides[0].mean(), rel=1e-12)
    assert metric["difference"] == pytest.approx((sides[1] - sides[0]).mean(), rel=1e-9)
    (t,) = metric["beside"]
    expected = stats.ttest_rel(sides[1], sides[0], alternative="greater").pvalue
    assert t["p_support"] == pytest.approx(expected, rel=1e-9)
    _, out, _ = run(left, right, "--metric", f"{name}@{k}")
    assert f"{name}@{k}: whether one of {k} is right, by column passed" in out
    assert "6 times in a.jsonl, 9 times in b.jsonl: its samples give one measurement" in out


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("passed@7", "needs 7 answers to each question, each right or wrong"),
        ("judge@2", "a score between right and wrong"),
        ("passed@0", "not both files have this metric"),
        ("nothing@2", "not both files have this metric"),
    ],
)
def test_pass_at_k_needs_as_many_answers_that_are_right_or_wrong(
    run: Run, metric: str, said: str
) -> None:
    left, right = scores(10, 1, 0, times=6), scores(10, 2, 0, times=9)
    code, out, err = run(left, right, "--metric", metric)
    assert (code in {2, 3}, out, said in err) == (True, "", True), err
