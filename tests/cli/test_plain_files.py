"""`gitexp test`: two plain files, no repository anywhere."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.main import main
from gitexp.comparison.plain_files import FileDesign
from gitexp.model.comparison import Comparison
from gitexp.records import codec
from gitexp.report import RENDERERS

if TYPE_CHECKING:
    from pathlib import Path

BASELINE = "seed,f1\n0,.57\n1,.568\n2,.58\n3,.575\n4,.566\n5,.577\n"
CANDIDATE = "seed,f1\n5,.626\n0,.618\n1,.612\n2,.624\n3,.615\n4,.60\n"
FOLDS = "rep,fold,n_train,n_test,f1\n"
DATASETS = ("iris", "wine", "adult", "digits", "glass", "heart", "letter")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> object:
    """Write two files and test them; gives exit code, stdout and stderr."""

    def call(baseline: str, candidate: str, *options: str, ending: str = "csv") -> object:
        for name, text in (("a", baseline), ("b", candidate)):
            (tmp_path / f"{name}.{ending}").write_text(text, "utf-8")
        code = main(["test", *options, "-C", str(tmp_path), f"a.{ending}", f"b.{ending}"])
        return code, *capsys.readouterr()

    return call


def test_paired_files_are_joined_by_seed_whatever_their_order(run: object) -> None:
    code, out, _ = run(BASELINE, CANDIDATE, "--design", "paired")
    assert code == 0
    assert out.startswith(
        "NO VERDICT  f1 changes by +0.0432 [+0.0374, +0.0490]: p = 0.031 against "
    )
    assert "exact paired permutation of the mean, 64 relabellings" in out
    assert "same code" not in out  # nothing is known of it


def test_nothing_speaks_of_inputs_that_a_file_does_not_have(run: object) -> None:
    _, out, _ = run(BASELINE, CANDIDATE, "--design", "paired", "-v")
    assert "inputs" not in out
    assert "a.csv, seeds 0-5" in out


@pytest.mark.parametrize("design", ["paired", "datasets", "folds", "examples"])
@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_cells_between_other_signs_are_named(
    run: object, design: str, sign: str, name: str
) -> None:
    text = BASELINE.replace(",", sign).replace(".", ",")
    code, _, err = run(text, text, "--design", design, "--metric", "f1")
    assert (code, f"cells are separated by {name}" in err) == (3, True), err
    assert "commas between cells, and points in numbers" in err


@pytest.mark.parametrize(
    ("design", "header", "rows", "head"),
    [
        (
            "datasets",
            "dataset,f1",
            [f"{name},.5{n}" for n, name in enumerate(DATASETS)],
            "7 data sets",
        ),
        ("folds", "fold,n_train,n_test,f1", [f"{n},90,10,.5{n}" for n in range(10)], "10 folds"),
        ("folds", FOLDS.strip(), [f"{n % 3},{n // 3},90,10,.5{n}" for n in range(30)], "30 folds"),
        ("paired", "seed,f1", [f"{n},.5{n}" for n in range(8)], "8 pairs"),
    ],
)
def test_the_head_counts_what_is_tested(
    run: object, design: str, header: str, rows: list[str], head: str
) -> None:
    files = [
        "\n".join([header, *(row + end for row, end in zip(rows, ends * 30, strict=False)), ""])
        for ends in (("1", "2", "4"), ("5", "7", "6"))
    ]
    code, out, err = run(*files, "--design", design, "--metric", "f1:max")
    assert code in {0, 6}, err
    assert f"b.csv against a.csv, {head}" in out


def test_without_a_design_each_is_named_with_what_it_is_for(run: object) -> None:
    code, out, err = run(BASELINE, CANDIDATE)
    assert (code, out) == (2, "")
    for design in FileDesign:
        assert any(design.value in line.split() for line in err.splitlines()), design
    assert "columns fold, n_train, n_test" in err


@pytest.mark.parametrize(
    ("effect", "verdict", "code"),
    [(">=5%", "SUPPORTED", 0), (">=9%", "REFUTED", 1), (">=7.5%", "INCONCLUSIVE", 6)],
)
def test_a_hypothesis_gets_a_verdict_and_the_warning_that_it_was_typed_now(
    run: object, effect: str, verdict: str, code: int
) -> None:
    got, out, _ = run(
        BASELINE, CANDIDATE, "--design", "paired", "--metric", "f1:max", "--effect", effect
    )
    assert (got, out.split()[0]) == (code, verdict)
    assert "typed with the data at hand" in out


def test_independent_files_may_differ_in_length(run: object) -> None:
    code, out, _ = run(BASELINE, "f1\n.62\n.61\n.63\n.6\n", "--design", "independent")
    assert code == 0
    assert "exact permutation of the labels by Welch's t, 210 relabellings" in out


def test_three_pairs_decide_nothing_and_how_many_would_is_said(run: object) -> None:
    code, out, _ = run(
        "f1\n1\n2\n3\n", "f1\n2\n3\n4\n", "--design", "paired", "--metric", "f1:max",
        "--effect", ">0",
    )  # fmt: skip
    assert code == 6
    said = "not shown that f1 rises: no outcome of 3 pairs reaches alpha = 0.05; 5 would do"
    assert out.startswith(f"UNDECIDABLE  {said}\n")


@pytest.mark.parametrize(
    ("design", "n", "effect", "said"),
    [
        ("paired", 5, "!=0", "no outcome of 5 pairs reaches alpha = 0.05; 6 would do"),
        ("independent", 1, ">0", "of 1 value a side reaches alpha = 0.05; 3 a side would do"),
        ("datasets", 4, ">0", "no outcome of 4 data sets reaches alpha = 0.05; 5 would do"),
    ],
)
def test_what_would_do_follows_from_the_design(
    run: object, design: str, n: int, effect: str, said: str
) -> None:
    part = "dataset" if design == "datasets" else "seed"
    low, high = (
        f"{part},f1\n" + "".join(f"{i},{base + i % 3}\n" for i in range(n)) for base in (1, 9)
    )
    code, out, _ = run(low, high, "--design", design, "--metric", "f1:max", f"--effect={effect}")
    assert code == 6
    assert said in out.splitlines()[0]


@pytest.mark.parametrize(
    ("metric", "more", "said"),
    [
        ("accuracy", (), "no outcome of 100 examples reaches alpha = 0.05; 200 would do"),
        ("log_loss", (), "no outcome of 100 examples reaches alpha = 0.05; 200 would do"),
        ("f1", ("--cluster", "user"), "a bootstrap against a margin needs 200 clusters, 20 are"),
    ],
)
def test_few_examples_are_told_how_many_would_do(
    run: object, metric: str, more: tuple[str, ...], said: str
) -> None:
    def clustered(right: int) -> str:
        rows = predictions(right).splitlines()[1:101]
        lines = (f"{row},u{i // 5}" for i, row in enumerate(rows))
        return "id,y_true,y_pred,score,user\n" + "\n".join(lines) + "\n"

    better = "min" if metric == "log_loss" else "max"
    code, out, _ = run(
        clustered(50), clustered(80), "--design", "examples", "--metric", f"{metric}:{better}",
        "--positive", "1", "--effect", ">=1%", *more,
    )  # fmt: skip
    assert code == 6
    assert said in out.splitlines()[0]


def test_folds_get_the_corrected_test(run: object) -> None:
    left = FOLDS + "".join(f"0,{i},90,10,{0.7 + 0.01 * (i % 3)}\n" for i in range(10))
    right = FOLDS + "".join(f"0,{i},90,10,{0.71 + 0.01 * (i % 4)}\n" for i in range(10))
    code, out, _ = run(left, right, "--design", "folds")
    assert code == 0
    assert "corrected resampled t" in out


def test_folds_of_unknown_size_are_not_tested_and_how_to_record_them_is_said(run: object) -> None:
    rows = "fold,f1\n" + "".join(f"{i},0.{i + 5}\n" for i in range(5))
    _, out, _ = run(rows, rows, "--design", "folds")
    assert "n_train and n_test" in out


@pytest.mark.parametrize(
    ("baseline", "candidate", "options", "error"),
    [
        ("f1\n1\n2\n", "f1\n1\n2\n3\n", ("--design", "paired"), "have no partner"),
        ("f1\n1\n", "acc\n1\n", ("--design", "paired"), "no metric is named"),
        ("f1,acc\n1,2\n", "f1,acc\n1,2\n", ("--design", "paired"), "no metric is named"),
        ("f1\n1\n", "f1\n1\n", ("--design", "paired", "--metric", "auc"), "not both files"),
        ("f1\n1\n", "f1\n1\n", ("--design", "folds"), "not the rows of the design folds"),
        ("fold,f1\n1,1\n", "fold,f1\n1,1\n", ("--design", "paired"), "not the rows of"),
        ("f1\n1\n", "f1\n1\n", ("--design", "paired", "--effect", ">0"), "which way is better"),
        ("f1\nnan\n", "f1\n1\n", ("--design", "paired"), "not finite"),
        ("f1\n1\n", "f1\n1\n", ("--design", "paired", "--alpha", "2"), "alpha is no rate of"),
        ("f1\n1\n", "f1\n1\n", ("--design", "paired", "--alpha", "0.5"), "alpha is no rate of"),
        ("f1\n1\n", "f1\n1\n", ("--design", "paired", "--alpha", "nan"), "alpha is no rate of"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: object, baseline: str, candidate: str, options: tuple[str, ...], error: str
) -> None:
    code, out, err = run(baseline, candidate, *options)
    assert code in {2, 3}
    assert out == ""
    assert error in err


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "-C", str(tmp_path), "a.csv", "b.csv", "--design", "paired"]) == 3
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_every_format_shows_it(run: object, name: str) -> None:
    code, out, _ = run(
        BASELINE, CANDIDATE, "--design", "paired", "--metric", "f1:max", "--effect", ">=5%",
        "--format", name,
    )  # fmt: skip
    assert code == 0
    assert "b.csv" in out
    if name == "html":
        assert "typed with the data at hand" in out


def test_json_is_a_comparison_whose_sides_git_and_sha256sum_know(
    run: object, tmp_path: Path
) -> None:
    _, out, _ = run(BASELINE, CANDIDATE, "--design", "paired", "--json")
    side = codec.load(Comparison, out.encode(), "stdout").baseline
    assert side.inputs == hashlib.sha256(BASELINE.encode()).hexdigest()
    hashed = subprocess.run(
        ["git", "hash-object", "a.csv"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert side.commit == hashed.stdout.strip()
    assert json.loads(out)["metrics"][0]["metric"] == "f1"


def test_swapping_the_files_mirrors_the_effect(run: object) -> None:
    _, one, _ = run(BASELINE, CANDIDATE, "--design", "paired", "--json")
    _, two, _ = run(CANDIDATE, BASELINE, "--design", "paired", "--json")
    left, right = (json.loads(text)["metrics"][0] for text in (one, two))
    assert left["difference"] == -right["difference"]
    assert left["result"]["p_value"] == right["result"]["p_value"]


def predictions(n_right: int) -> str:
    """Return 200 predictions of two classes in turn, all but the last `200 - n_right` right."""
    rows = [
        f"{i},{i % 2},{i % 2 if i < n_right else 1 - i % 2},{0.4 + 0.2 * (i % 2) + i / 1e4}"
        for i in range(200)
    ]
    return "id,y_true,y_pred,score\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("metric", "said"),
    [("accuracy", "McNemar"), ("f1", "paired randomization"), ("roc_auc", "DeLong")],
)
def test_examples_get_the_test_of_their_metric(run: object, metric: str, said: str) -> None:
    code, out, _ = run(
        predictions(150), predictions(170), "--design", "examples", "--metric", metric,
        "--positive", "1",
    )  # fmt: skip
    assert code == 0
    assert said in out
    assert "two trained models" in out


def relabelled(text: str, truth: tuple[str, str], guess: tuple[str, str]) -> str:
    """Return predictions with other words for the classes 0 and 1."""
    head, *rows = text.splitlines()
    cells = [row.split(",") for row in rows]
    written = [[i, truth[int(y)], guess[int(p)], *more] for i, y, p, *more in cells]
    return "\n".join([head, *map(",".join, written), ""])


@pytest.mark.parametrize(
    ("truth", "guess"),
    [
        (("0", "1"), ("0.0", "1.0")),
        (("0.0", "1.0"), ("0", "1")),
        (("0", "1"), ("False", "True")),
        (("false", "true"), ("0", "1")),
        (("no", "yes"), (" no", "yes ")),
    ],
)
@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_labels_that_are_written_otherwise_are_the_same(
    run: object, truth: tuple[str, str], guess: tuple[str, str], metric: str
) -> None:
    """A model of floats and its table of integers; the wrong answer was an accuracy of 0."""
    how = ("--design", "examples", "--metric", f"{metric}:max", "--effect", ">0", "--json")
    low, high = map(predictions, (150, 170))
    _, out, _ = run(low, high, *how)
    code, other, err = run(relabelled(low, truth, truth), relabelled(high, truth, guess), *how)
    assert (code, err) == (0, "")
    one, two = (json.loads(each)["metrics"][0] for each in (out, other))
    for key in ("baseline_values", "candidate_values", "difference"):
        assert one[key] == two[key]
    assert one["result"]["p_value"] == two["result"]["p_value"]


@pytest.mark.parametrize("guess", [("0.2", "0.9"), ("stay", "churn"), ("-1", "2")])
def test_predictions_of_no_true_label_are_refused(run: object, guess: tuple[str, str]) -> None:
    how = ("--design", "examples", "--metric", "accuracy:max", "--effect", ">0")
    code, out, err = run(predictions(150), relabelled(predictions(170), ("0", "1"), guess), *how)
    assert (code, out) == (3, "")
    assert (
        f"no label that b.csv predicts is a true one\n  found     {', '.join(sorted(guess))}" in err
    )
    assert "expected  labels as in y_true: 0, 1" in err
    assert ("score" in err) is (guess == ("0.2", "0.9"))


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "error_rate", "rmse"])
def test_equal_labels_are_not_counted_among_real_numbers(run: object, metric: str) -> None:
    true = [n % 17 + n / 300 for n in range(1, 300)]
    low, high = (
        "id,y_true,y_pred\n" + "".join(f"{y},{y:.3f},{y + n % shift}\n" for n, y in enumerate(true))
        for shift in (3, 4)
    )
    code, _, err = run(low, high, "--design", "examples", "--metric", f"{metric}:min")
    assert code == (0 if metric == "rmse" else 3)
    assert ("the true values are real numbers" in err) == (metric != "rmse")


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "roc_auc"])
@pytest.mark.parametrize(("column", "name"), [(1, "true"), (2, "predicted")])
def test_an_empty_label_is_no_class(run: object, metric: str, column: int, name: str) -> None:
    """As pandas writes what is missing; two of 400 turned a tie into SUPPORTED."""
    rows = [row.split(",") for row in predictions(150).splitlines()]
    rows[8][column] = " "
    gap = "\n".join(map(",".join, rows))
    other = gap if name == "true" else predictions(150)
    code, out, err = run(other, gap, "--design", "examples", "--metric", metric)
    assert (code, out) == (3, "")
    assert f"an example has no {name} label" in err
    assert "nothing for 7" in err
    assert ".csv, row 8" in err


CHURN = ("stay", "churn")


@pytest.mark.parametrize("metric", ["f1", "precision", "roc_auc", "average_precision"])
def test_which_class_a_metric_is_of_is_asked_or_said(run: object, metric: str) -> None:
    files = [relabelled(predictions(n), CHURN, CHURN) for n in (150, 170)]
    how = ("--design", "examples", "--metric", f"{metric}:max", "--effect", ">0")
    code, _, err = run(*files, *how)
    assert (code, f"{metric} is of one class, and nothing says of which" in err) == (2, True), err
    assert "the same with --positive churn, or with --positive stay" in err
    for label in CHURN:
        code, out, err = run(*files, *how, "--positive", label)
        assert code in {0, 1, 6}, err
        assert f"{metric} is that of class '{label}'" in out
    code, _, err = run(*files, *how, "--positive", "Churn")
    assert (code, "no example is of the positive class" in err) == (2, True), err
    assert "found     Churn" in err
    assert "expected  churn or stay" in err
    _, out, _ = run(predictions(150), predictions(170), *how)
    assert f"{metric} is that of class '1'" in out
    _, out, _ = run(predictions(150), predictions(170), *how, "--positive", "1.0")
    assert f"{metric} is that of class '1'" in out


def test_a_file_of_another_kind_is_called_so(
    run: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, data in (("a.parquet", b"PAR1\x80"), ("b.csv.gz", b"\x1f\x8b\x08")):
        (tmp_path / name).write_bytes(data)
    for name in ("a.parquet", "b.csv.gz"):
        for design in ("paired", "examples"):
            how = ["--design", design, "--metric", "accuracy", "-C", str(tmp_path)]
            assert main(["test", *how, name, name]) == 3
            err = capsys.readouterr().err
            assert f"{name.rpartition('.')[2]} is not read" in err
            assert "to_csv" in err
    for text in ('{"f1": {"0": 0.5, "1": 0.6}}', '{"id": {"0": "a"}, "y_true": {"0": "b"}}'):
        for design in ("paired", "examples"):
            code, _, err = run(text, text, "--design", design, "--metric", "f1", ending="json")
            assert (code, 'to_json(FILE, orient="records")' in err) == (3, True), err
    rows = "\n".join(row.partition(",")[2] for row in predictions(150).splitlines())
    code, _, err = run(rows, rows, "--design", "examples", "--metric", "accuracy")
    assert (code, "none for id" in err) == (3, True)
    assert "the same, once a column id says which rows are of one example" in err


def test_examples_support_a_hypothesis_about_two_models(run: object) -> None:
    code, out, _ = run(
        predictions(150), predictions(170), "--design", "examples", "--metric", "accuracy:max",
        "--effect", ">0",
    )  # fmt: skip
    assert code == 0
    said = out.splitlines()[0]
    assert said.startswith("SUPPORTED  accuracy rises: +0.100 [")
    assert said.endswith("p = 9.5e-07, alpha = 0.05")


@pytest.mark.parametrize("metric", ["accuracy:max", "roc_auc:max"])
def test_examples_that_go_together_are_drawn_together(run: object, metric: str) -> None:
    def clustered(right: int) -> str:
        head, *rows = predictions(right).splitlines()
        return "\n".join([f"{head},user", *(f"{row},u{i // 5}" for i, row in enumerate(rows))])

    files, how = (clustered(150), clustered(170)), ("--design", "examples", "--metric", metric)
    code, alone, _ = run(*files, *how, "--positive", "1")
    assert code == 0
    code, together, err = run(*files, *how, "--positive", "1", "--cluster", "user")
    assert code == 0, err
    assert "40 clusters" in together
    assert "clusters" not in alone
    code, _, err = run(*files, *how, "--cluster", "patient")
    assert (code, "the predictions have no column patient" in err) == (3, True)
    code, _, err = run("f1\n1\n2\n", "f1\n1\n2\n", "--design", "paired", "--cluster", "user")
    assert (code, "only examples go together in clusters" in err) == (2, True)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,y_true,y_pred", ""),
        ("example_id,label,prediction", "id: example_id, y_true: label, y_pred: prediction"),
        ("ticket_id,y_true,Predicted", "id: ticket_id, y_pred: Predicted"),
        ("id,y_true,verdict", "none for y_pred"),
        ("id,label,y_pred,target", "'label' or 'target' for y_true"),
    ],
)
def test_examples_take_the_columns_that_init_would_take(
    run: object, header: str, said: str
) -> None:
    rows = (text.splitlines()[1:] for text in map(predictions, (150, 170)))
    files = ["\n".join([f"{header},score", *each, ""]) for each in rows]
    if "target" in header:
        files = [text.replace(",0.", ",0,0.") for text in files]
    code, out, err = run(*files, "--design", "examples", "--metric", "accuracy")
    if "for y_" in said:
        role = said.rpartition(" ")[2]
        assert (code, said in err) == (3, True), err
        assert f"one column for {role}: {role}, " in err
        assert "the columns are renamed: id, y_true, y_pred" in err
        assert "config.yaml" not in err
    else:
        assert code == 0, err
        assert out.count(f"columns taken: {said}" if said else "columns taken") == bool(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("\n7,", "\n7.0,"),
            "200 and 200 examples; in the first only: '7'; in the second only: '7.0'",
        ),
        (("\n8,1,", "\n8,9,"), "200 and 200 examples; other labels of '8' ('1' and '9')"),
    ],
)
def test_examples_that_differ_are_named(run: object, change: tuple[str, str], said: str) -> None:
    files = "id,y_true,y_pred\n" + "".join(f"{n},1,1\n" for n in range(200))
    other = files.replace(*change)
    assert files != other
    code, _, err = run(files, other, "--design", "examples", "--metric", "accuracy")
    assert (code, said in err) == (3, True), err


def test_examples_need_a_metric_and_the_same_examples(run: object) -> None:
    code, _, err = run(predictions(150), predictions(150), "--design", "examples")
    assert (code, "no metric is named" in err) == (2, True)
    other = predictions(150).replace("\n7,1", "\n700,1")
    code, _, err = run(other, predictions(150), "--design", "examples", "--metric", "accuracy")
    assert (code, "not asked about the same examples" in err) == (3, True)
    code, _, err = run(other, other, "--design", "examples", "--metric", "happiness")
    assert (code, "cannot be computed" in err) == (3, True)


def test_thousands_of_classes_are_right_or_wrong_and_no_table(run: object) -> None:
    head = "id,y_true,y_pred\n"
    low, high = (
        head + "".join(f"{i},{i},{i if i % 10 < right else i + 1}\n" for i in range(1200))
        for right in (6, 8)
    )
    code, out, _ = run(low, high, "--design", "examples", "--metric", "accuracy:max")
    assert code == 0
    assert "accuracy changes by +0.2" in out
    code, out, _ = run(low, high, "--design", "examples", "--metric", "f1_macro:max")
    assert "1201 classes" in out
    assert "with 1000 classes" in out


def test_there_is_a_limit_of_data_sets_and_of_values(run: object) -> None:
    sets = "dataset,f1\n" + "".join(f"d{i},0.{i}\n" for i in range(501))
    code, _, err = run(sets, sets, "--design", "datasets")
    assert code != 0
    assert "501 data sets, and at most 500" in err
    rows = "f1\n" + "0.5\n" * 20_001
    code, _, err = run(rows, rows, "--design", "paired")
    assert code != 0
    assert "20001 rows" in err
    assert "at most 20000" in err


# --- rows that say what they are of --------------------------------------------------------------

NAMES = [f"q{i:02d}" for i in range(12)]
OLD = dict(zip(NAMES, (61.2, 48.1, 70.4, 55.5, 63.9, 58.8, 49.7, 66.3, 52.6, 71.8, 45.2, 59.4)))  # noqa: B905
NEW = {name: value + 9 * ((-1) ** i) + i / 3 for i, (name, value) in enumerate(OLD.items())}


def written(values: dict[str, float], key: str, form: str, order: str) -> str:
    """Write a column of ids and one of ratings, in the order of the file or of the ratings."""
    names = sorted(values, key=values.__getitem__) if order == "rating" else list(values)
    rows = [
        (int(name[1:]) if key in {"id", "example_id", "seed", "", "fold"} else name, values[name])
        for name in (names[::-1] if order == "backwards" else names)
    ]
    match form:
        case "csv":
            return "\n".join([f"{key},rating", *(f"{one},{value}" for one, value in rows)])
        case "long":
            lines = (f"{one},{metric},{v}" for one, v in rows for metric in ("rating", "ms"))
            return "\n".join([f"{key},metric,value", *lines])
        case "records":
            return json.dumps([{key: one, "rating": value} for one, value in rows])
    return json.dumps({key: [one for one, _ in rows], "rating": [value for _, value in rows]})


@pytest.mark.sweep
@pytest.mark.parametrize(
    "key",
    ["question", "id", "example_id", "exampleId", "wording", "seed", "", "dataset", "fold"],
)
@pytest.mark.parametrize("form", ["csv", "long", "records", "columns"])
@pytest.mark.parametrize("design", ["paired", "independent"])
def test_an_answer_is_the_same_in_whatever_order_the_rows_are(
    run: object, key: str, form: str, design: str
) -> None:
    if key in {"dataset", "fold"}:
        design = f"{key}s"
    answers = set[str]()
    for orders in (("file", "file"), ("rating", "rating"), ("backwards", "rating")):
        files = [
            written(values, key, form, order)
            for values, order in zip((OLD, NEW), orders, strict=True)
        ]
        code, out, err = run(
            *files, "--design", design, "--metric", "rating:max", "--effect", ">0", "--json",
            ending="csv" if form in {"csv", "long"} else "json",
        )  # fmt: skip
        assert code == 6, err
        answer = json.loads(out)
        for side in ("baseline", "candidate"):
            del answer[side]["commit"], answer[side]["inputs"]
        del answer["compared_at"]
        answers.add(json.dumps(answer))
    assert len(answers) == 1
    if design == "paired":
        assert f"joined by {key or 'row names'}" in answers.pop()


def test_examples_are_joined_by_their_id(run: object) -> None:
    head, *rows = predictions(170).splitlines()
    how = ("--design", "examples", "--metric", "accuracy", "--json")
    _, one, _ = run(predictions(150), predictions(170), *how)
    _, two, _ = run(predictions(150), "\n".join([head, *rows[::-1]]), *how)
    assert json.loads(one)["metrics"] == json.loads(two)["metrics"]


@pytest.mark.parametrize(
    ("design", "why", "side"),
    [
        ("paired", "6 rows of either file, joined by order of rows", "a.csv, 6 rows"),
        ("independent", "6 and 6 rows, not joined", "a.csv, 6 rows"),
    ],
)
def test_no_seed_is_spoken_of_where_there_is_none(
    run: object, design: str, why: str, side: str
) -> None:
    left, right = ("\n".join(["f1", *(f".{i + more}" for i in range(6))]) for more in (10, 13))
    _, out, _ = run(left, right, "--design", design, "-v")
    assert why in out
    assert side in out
    for form in ("text", "markdown", "html"):
        _, out, _ = run(left, right, "--design", design, "--format", form)
        assert "seed" not in out.replace("seed 0", "")


# columns of either file, and what is said of joining them
UNSURE = {
    "some ids are in one file only": (
        "question,f1\na,1\nb,2\nc,3\n", "question,f1\na,1\nb,2\nd,3\n",
        "question c in a.csv alone; question d in b.csv alone",
    ),
    "an id of several rows, that are not of both files": (
        "question,f1\na,1\na,2\nb,3\n", "question,f1\nc,1\na,2\na,3\n",
        "question b in a.csv alone; question c in b.csv alone",
    ),
    "two ids that tell otherwise": (
        "id,item,f1\n0,4,1\n1,5,2\n2,6,3\n", "id,item,f1\n0,5,1\n1,4,2\n2,6,3\n",
        "id and item join the rows in different ways",
    ),
    "rows without an id": ("f1\n1\n2\n", "f1\n1\n2\n3\n", "2 rows and 3 rows"),
    "seeds in one file": ("seed,f1\n0,1\n1,2\n", "f1\n1\n2\n", "a column seed in one file only"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSURE)
def test_rows_that_may_not_belong_together_are_refused(run: object, case: str) -> None:
    baseline, candidate, said = UNSURE[case]
    code, out, err = run(baseline, candidate, "--design", "paired", "--metric", "f1")
    assert (code, out) == (3, "")
    assert said in err


# what is joined all the same, by what, and the caution that comes with it
JOINED = {
    "ids of runs, of which none is in both": (
        ("run_id", "a b c d e f", "g h i j k l"), "order of rows", "run_id differs in 6 of 6 pairs",
    ),
    "several rows of an id": (
        ("user", "a a b b c c", "a a b b c c"), "user", "(user) was answered 2 times",
    ),
    "the same in every row": (("model", "x x x x x x", "y y y y y y"), "order of rows", ""),
    "texts beside": (("remark", "x - y - z -", "- w - v - u"), "order of rows", ""),
    "numbers that are counts": (("tokens", "1 2 3 4 5 6", "6 5 4 3 2 1"), "order of rows", ""),
    "row names beside an id": (
        (",question", "0 1 2 3 4 5;a b c d e f", "0 1 2 3 4 5;f e d c b a"), "question", "",
    ),
    "a text says more than a number": (
        ("id,question", "0 1 2 3 4 5;a b c d e f", "0 1 2 3 4 5;f e d c b a"), "question", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", JOINED)
def test_what_joins_rows_is_said_with_what_weakens_it(run: object, case: str) -> None:
    (names, *cells), by, caution = JOINED[case]
    files = [
        "\n".join(",".join(row) for row in zip(
            *([name, *each.split()] for name, each in zip(names.split(","), its.split(";"))),  # noqa: B905
            ["f1", *(f".{i + more}" for i in range(6))], strict=True,
        ))
        for its, more in zip(cells, (10, 13), strict=True)
    ]  # fmt: skip
    code, out, err = run(*files, "--design", "paired", "--metric", "f1")
    assert code == 0, err
    assert f"joined by {by}" in out
    assert caution in out
    assert ("was answered" in out or "differs in" in out) is bool(caution)


@pytest.mark.parametrize("design", ["paired", "independent"])
@pytest.mark.parametrize("ids", ["once", "twice", "one", "other"])
def test_several_rows_of_one_id_are_no_independent_ones(run: object, design: str, ids: str) -> None:
    """Else eight questions that were judged forty times each are 320 measurements."""
    left = {
        "once": ("q1", "q2", "q3", "q4"),
        "twice": ("q1", "q1", "q2", "q3"),
        "one": ("gpt", "gpt", "gpt", "gpt"),  # who answered, not what
        "other": ("r1", "r1", "r2", "r2"),  # two users, of whom the other side has none
    }[ids]
    right = ("q3", "q1", "q2") if ids != "one" else ("gpt",) * 3
    files = [
        "id,score\n" + "".join(f"{i},.{n + 1}\n" for n, i in enumerate(s)) for s in (left, right)
    ]
    code, out, err = run(*files, "--design", design)
    if (ids, design) == ("twice", "paired"):
        assert (code, "each of 3 questions (id) was answered" in out) == (0, True), err
        assert "1 to 2 times in a.csv, once in b.csv: the mean of its samples is" in out
        assert "3 pairs" in out
    elif ids in {"twice", "other"}:
        assert (code, out) == (3, "")
        assert "rows of one id depend on each other" in err
        assert f"{left[0]} in 2 rows" in err
    elif design == "independent":
        assert out.startswith("NO VERDICT"), err
    else:
        assert "have no partner" in err


def test_a_column_of_ids_is_no_metric(run: object) -> None:
    rows = "id,f1\n" + "".join(f"{i},.{i + 5}\n" for i in range(6))
    code, out, err = run(rows, rows, "--design", "paired")
    assert code == 0, err
    assert "joined by id" in out
    code, _, err = run("id\n1\n2\n", "id\n2\n1\n", "--design", "paired")
    assert code == 0, err


@pytest.mark.parametrize("ending", ["jsonl", "ndjson"])
@pytest.mark.parametrize("design", ["paired", "examples"])
def test_json_lines_say_what_the_same_rows_say_as_a_list(
    run: object, design: str, ending: str
) -> None:
    options = ("--design", design, "--metric", "accuracy" if design == "examples" else "passed")
    rows = [
        [{"id": f"q{n}", "y_true": n % 2, "y_pred": n // by % 2, "passed": n % by > 1, "score": 0.5}
         for n in range(40)]
        for by in (3, 4)
    ]  # fmt: skip
    lists = run(*map(json.dumps, rows), *options, ending="json")
    assert lists[0] == 0, lists
    lines = run(*("\n".join(map(json.dumps, each)) for each in rows), *options, ending=ending)
    assert lines[1].splitlines()[0] == lists[1].splitlines()[0], "names make tables wider"


# what the two files have -> what is named, and whether something is left once that is left out
ALONE = {
    "ids of the first": ("id q1 q2 q3 q4", "id q1 q3", "id q2, q4 in a.csv alone", True),
    "ids of both": ("id q1 q2 q3", "id q3 q4 q1", "q2 in a.csv alone; id q4 in b.csv alone", True),
    "many": ("id a b c d e f g h i", "id a", "id b, c, d, e, f, g and 2 more in a.csv alone", True),
    "seeds": ("seed 1 2 3", "seed 1 2 7 8", "3 in a.csv alone; seeds 7, 8 in b.csv alone", True),
    "no seed of both": ("seed 1 2", "seed 3 4", "1, 2 in a.csv alone; seeds 3, 4 in b.csv", False),
    "neither": ("f0 1 2 3", "f0 1 2", "3 rows and 2 rows", False),
}  # fmt: skip


@pytest.mark.parametrize("case", ALONE)
def test_rows_without_a_partner_are_named_and_the_design_stays(run: object, case: str) -> None:
    *files, said, some = ALONE[case]
    tables = [f"{key},f1\n" + "".join(f"{cell},.5\n" for cell in cells)
              for key, *cells in map(str.split, files)]  # fmt: skip
    code, _, err = run(*tables, "--design", "paired", "--metric", "f1")
    told = " ".join(err.split())
    assert (code, said in told) == (3, True), err
    assert ("leave their rows out of both files, then the same again" in told) is some, err
    assert "--design" not in err
