"""Two files of examples as one pair: predictions of them, or a column of scores of each.

A score is any number given to an example: a judge's grade, passed or not, ROUGE, a
latency. Of it the mean is compared, whether the files have true labels or not. Several rows of one
example are samples of its answer, and their mean is one measurement: rows of one question are not
as many questions (Miller 2024).
"""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison.designs import prediction_pairs
from gitexp.comparison.designs import predictions as computed
from gitexp.errors import BadFormatError, DesignError, UnknownMetricError, UnsafeInputError
from gitexp.model import dataclass, replace
from gitexp.model.config import Predictions
from gitexp.report import numbers
from gitexp.stats.design import MEAN
from gitexp.stats.metrics import Definition
from gitexp.stats.scored import Scoring
from gitexp.text import logs, plainfile, predictions
from gitexp.text.predictions import PredictionTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gitexp.comparison.designs.prediction_pairs import Pair
    from gitexp.text.plainfile import Table

_HEADER = 300  # letters of one in a message
_MANY = 6  # names that a message has
_SHOWN = 60  # letters of one
# Columns that number the answers to one question; those of repeats say nothing of examples.
_SAMPLES = re.compile(
    r"(sample|trial|run|epoch|repeat|attempt|generation|iteration|seed|k)"
    r"([ _.-]?(id|index|number|num|no|nr|name|seed))?",
)
_REPEATS = re.compile(
    r"(run|trial|repeat|attempt|seed|model|system|checkpoint|config|experiment|"
    r"data_?set|benchmark|fold|split|host|machine|device)([ _.-].*)?"
)
_PLACES = re.compile(r"|Unnamed: 0|(row|idx|index|number)([ _.-]?(id|index|number|num|no|nr))?")
_BEST_OF = re.compile(r"(.+)@([1-9][0-9]{0,3})")
_PARTS = frozenset(("rep", "fold", "dataset"))
_ONES = frozenset(("0", "1", "0.0", "1.0"))
_ONCE = 1  # rank of the last columns of which each id is there once


@dataclass(frozen=True, slots=True)
class Score:
    """What is computed of a column of numbers."""

    name: str  # as it was asked for
    column: str
    best_of: int = 0  # k of pass@k; 0: the mean of the samples

    def of(self, values: Sequence[float], where: str) -> float:
        """Return an example's score from its samples.

        pass@k, whether one of k answers is right, without bias from n of them, c right:
        ``1 - C(n - c, k) / C(n, k)`` (Chen et al. 2021).
        """
        n, k = len(values), self.best_of
        if not k:
            return math.fsum(values) / n
        if n < k or not {*values} <= {0.0, 1.0}:
            raise DesignError(
                f"{self.name[:_SHOWN]} needs {k} answers to each question, each right or wrong",
                found=f"{n} of one question" if n < k else "a score between right and wrong",
                where=where,
                expected=f"{k} rows or more of each id, with 0 or 1, false or true",
            )
        wrong = n - int(sum(values))
        return 1 - math.comb(wrong, k) / math.comb(n, k)


@dataclass(frozen=True, slots=True)
class ReadExamples:
    """What two files say about the same examples."""

    metric: str
    pair: Pair
    values: tuple[float, float]  # the metric of both sides
    joined: plainfile.RowKey
    scope: str = ""  # of what a decision speaks


def read(
    data: tuple[bytes, bytes], paths: tuple[Path, Path], metric: str | None, spec: Predictions
) -> ReadExamples:
    """Read a column of scores where a metric is called like one, else predictions."""
    tables = [logs.read_log(each, str(path)) for each, path in zip(data, paths, strict=True)]
    headers = [_header(*each) for each in zip(data, paths, strict=True)] if None in tables else []
    if not all(headers) or not headers:
        return of_files(data, paths, metric, spec.cluster or "", tables)
    fits = all(_fits(header, spec) for header in headers)
    known = metric is not None and computed.is_known(metric)
    best_of = _BEST_OF.fullmatch(metric or "")
    names = {metric} if best_of is None else {metric, best_of[1]}
    if all(names & {*header} for header in headers) or not (fits or known):
        return of_files(data, paths, metric, spec.cluster or "", tables)
    if metric is None:
        raise UnknownMetricError(
            "no metric is named", expected="--metric accuracy, f1, roc_auc, log_loss, rmse, ..."
        )
    return _of_predictions(data, paths, metric, spec)


def of_files(
    data: tuple[bytes, bytes],
    paths: tuple[Path, Path],
    metric: str | None,
    cluster: str,
    tables: Sequence[Table | None] = (None, None),
) -> ReadExamples:
    """Read a column of scores of both files, by its name or as the only one there is.

    `tables`: those files that were read already.
    """
    left, right = (
        plainfile.read(each, str(path)) if table is None else table
        for each, path, table in zip(data, paths, tables, strict=True)
    )
    key = key_of((left, right), (metric or "", cluster))
    others = right.metrics()
    both = [name for name in left.metrics() if name in others and name not in {key, cluster}]
    both = [name for name in both if not (_SAMPLES.fullmatch(name) or _PLACES.fullmatch(name))]
    both = [name for name in both if not name.startswith(logs.PROPERTIES)]
    asked = metric or (both[0] if len(both) == 1 else "")
    found, k = None if asked in left.names else _BEST_OF.fullmatch(asked), 0
    if found is not None:
        asked, k = found[1], int(found[2])
        right_or_wrong = [name for name in both if {*left.column(name)} <= _ONES]
        if asked == "pass" and asked not in both and len(right_or_wrong) == 1:
            (asked,) = right_or_wrong
    if asked not in left.names or asked not in right.names:
        raise UnknownMetricError(
            "no metric is named" if not metric else "not both files have this metric",
            found=metric or f"{len(both)} metrics in both files",
            where=" and ".join(path.name for path in paths),
            expected=", ".join(both[:_MANY]) or "a column of numbers that both have",
            next_step="the same with --metric and one of these",
        )
    names = [path.name for path in paths]
    return of_scores(
        (left.of(asked), right.of(asked)), Score(metric or asked, asked, k), cluster, names
    )


def one_row_each(
    tables: tuple[Table, Table], metric: str | None
) -> tuple[tuple[Table, Table], tuple[str, ...]]:
    """Return the mean of several rows of one id, and what to say of it; else the tables as read."""
    key = None
    by_columns = any("seed" in table.header or _PARTS & table.header.keys() for table in tables)
    both = [name for name in tables[0].header if name in tables[1].header]
    ranks = [rank for name in both if (rank := _rank(tables, name)) is not None]
    if not by_columns and min(ranks, default=_ONCE) > _ONCE:
        key = key_of(tables, (metric or "",))
    if key is None or all(_is_unique(table, key) for table in tables):
        return tables, ()
    numeric = [name for name in tables[0].metrics() if name not in {key, *_PARTS}]
    asked = metric or (numeric[0] if len(numeric) == 1 else "")
    if any(asked not in table.names for table in tables):
        return tables, ()
    one, two = (table.of(asked) for table in tables)
    means = [_averaged(table, key, Score(asked, asked), "") for table in (one, two)]
    counts = [times for _, times in means]
    if all(set(each) == {1} for each in counts):  # of the long form, by metric
        return tables, ()
    left, right = (
        plainfile.Table(table.where, {key: 0, asked: 1}, tuple(zip(found.ids, found.y_pred)))  # noqa: B905
        for table, (found, _) in zip((one, two), means, strict=True)
    )
    names = [table.where.rpartition("/")[2] for table in tables]
    return (left, right), (_sampled(counts, key, names),)


def _of_predictions(
    data: tuple[bytes, bytes], paths: tuple[Path, Path], metric: str, spec: Predictions
) -> ReadExamples:
    cluster = spec.cluster or ""
    specs = [_columns(*each, spec) for each in zip(data, paths, strict=True)]
    tables = [
        predictions.load(each, one, str(path), (cluster,) if cluster else ())
        for each, one, path in zip(data, specs, paths, strict=True)
    ]
    pair = replace(prediction_pairs.joined(*tables), cluster=cluster)
    pair = replace(pair, positive=computed.positive_of(pair, spec.positive))
    pair.clusters()  # a column that is not there is an error, not a table without a test
    for path, table in zip(paths, tables, strict=True):
        computed.check_labels(metric, table, path)
    definition = computed.definition_of(metric, pair)
    if not spec.positive:
        computed.check_class(metric, definition, pair)
    named = dict.fromkeys(filter(None, map(predictions.renamed, specs)))
    told = tuple(f"columns taken: {text}" for text in named)
    if str(definition) != metric:
        label = definition.positive
        told += (f"{metric} is {f'that of class {label!r}' if label else definition}",)
    values = computed.both(definition, pair)
    return ReadExamples(metric, pair, values, plainfile.RowKey(specs[0].id, cautions=told))


def _header(data: bytes, path: Path) -> tuple[str, ...]:
    try:
        return predictions.columns_of(data, str(path))
    except (BadFormatError, UnsafeInputError):  # of no predictions
        return ()


def _fits(header: Sequence[str], spec: Predictions) -> bool:
    return predictions.single(spec, predictions.fitting(header)) is not None


def of_scores(
    tables: tuple[Table, Table], score: Score, cluster: str, names: Sequence[str]
) -> ReadExamples:
    """Join a column of numbers of both sides by a column of ids, and average the rows of each id.

    `names`: of both files, for what is said.
    """
    key, metric = key_of(tables, (score.column, cluster)), score.name
    if key is None:
        raise DesignError(
            "no column says which rows are of one example",
            found=", ".join(tables[0].header)[:_HEADER],
            where=" and ".join(names),
            expected="a column of ids in both files: id, question, example_id, ...",
            next_step="the same once there is one, or with --design paired for rows in one order",
        )
    means = [_averaged(table, key, score, cluster) for table in tables]
    sides = [found for found, _ in means]
    try:
        pair = replace(prediction_pairs.joined(*sides), cluster=cluster)
    except DesignError as error:
        error.where = " and ".join(names)
        error.expected = "the same ids in both files; what failed has a value, too (0, say)"
        error.next_step = "leave out of both files what one has alone, then the same again"
        raise
    pair.clusters()  # a column that is not there is an error, not a table without a test
    once = all(set(counts) == {1} for _, counts in means)
    if once and {*pair.baseline.y_pred, *pair.candidate.y_pred} <= {"0.0", "1.0"}:
        what: computed.Computed = Definition("accuracy")  # the share of ones, tested exactly
        pair = replace(pair, y_true=("1.0",) * len(pair.ids))
    else:
        what = Scoring(MEAN)
    pair = replace(pair, computed=what)
    what_it_is = "the mean of its column"
    if score.best_of:
        what_it_is = f"whether one of {score.best_of} is right, by column {score.column[:_SHOWN]}"
    said = [f"{metric}: {what_it_is}, over examples joined by {key[:_SHOWN]}"]
    said += [] if once else [_sampled([counts for _, counts in means], key, names, score.best_of)]
    if not cluster:
        said += _depending(tables, key)
    how = "one run of each model" if once else "these samples of each model's answers"
    scope = f"questions like these, paired over {len(pair.ids)} of them; {how}"
    values = computed.both(what, pair)
    return ReadExamples(metric, pair, values, plainfile.RowKey(key, cautions=tuple(said)), scope)


def are_predictions(
    data: tuple[bytes, bytes], paths: tuple[Path, Path], metric: str | None
) -> bool:
    """Whether both files have the columns of predictions, and a metric that these give."""
    if metric is None or not computed.is_known(metric):
        return False
    spec = Predictions("")
    return all(_fits(_header(*each), spec) for each in zip(data, paths, strict=True))


def key_of(tables: tuple[Table, Table], but: Iterable[str]) -> str | None:
    """Return the column that says of which example a row is; None where there is none."""
    one, two = tables
    if one.key and one.key == two.key:
        return one.key
    others = [name for name in one.header if name in two.header and name not in but]
    found = [(rank, name) for name in others if (rank := _rank(tables, name)) is not None]
    best = [name for rank, name in found if rank == min(found)[0]]
    finest = max(best, key=lambda name: len(_cells(tables, name)), default=None)
    for name in others:
        said = _cells(tables, name)
        lacks = ("",) in said and plainfile.is_id(name) and not _SAMPLES.fullmatch(name.lower())
        if lacks and len(said) > (1 if finest is None else len(_cells(tables, finest))):
            at = next(table for table in tables if "" in table.column(name))
            raise BadFormatError(
                f"a row has no {name[:_SHOWN]}",
                where=f"{at.where}, row {at.column(name).index('') + 1}",
                expected="an id in every row",
            )
    if finest is None:
        return None
    for name in best:  # each other one is to be the same for all rows of an example
        if len(_cells(tables, finest, name)) > len(_cells(tables, finest)):
            raise DesignError(
                f"{finest[:_SHOWN]} and {name[:_SHOWN]} tell examples apart in different ways",
                where=f"{one.where} and {two.where}",
                expected="one column that says of which example a row is",
                next_step="the same once the other one is left out of both files",
            )
    return finest


def are_examples(tables: tuple[Table, Table], metric: str | None) -> bool:
    """Whether rows are of examples, by their columns: ids, and nothing that names repeats."""
    header = frozenset(name for table in tables for name in table.header)
    if _PARTS & header:
        return False
    if "seed" in header and all(_is_unique(table, "seed") for table in tables):
        return False
    key = key_of(tables, (metric or "",))
    return key is not None and not _REPEATS.fullmatch(key.lower()) and not _PLACES.fullmatch(key)


def _rank(tables: tuple[Table, Table], name: str) -> int | None:
    """Return how well a column tells examples, 0 the best; None: it does not.

    Ids of which each is there once win over those of several rows, but not a mere number of rows.
    """
    labels = [set(table.column(name)) for table in tables]
    if "" in labels[0] | labels[1] or not labels[0] & labels[1] or max(map(len, labels)) == 1:
        return None
    unique = all(_is_unique(table, name) for table in tables)
    if _PLACES.fullmatch(name):
        return 4 if unique else None
    text = not all(label.isdecimal() for each in labels for label in each)
    if unique and text and (labels[0] == labels[1] or plainfile.is_id(name)):
        return 0
    if not plainfile.is_id(name):
        return None
    return 1 if unique else 3 if _SAMPLES.fullmatch(name.lower()) else 2


def _is_unique(table: Table, name: str) -> bool:
    if name not in table.header:
        return False
    labels = table.column(name)
    return len(set(labels)) == len(labels)


def _cells(tables: Iterable[Table], *names: str) -> set[tuple[str, ...]]:
    """Return the combinations of cells that some columns have in either file."""
    return {
        row for each in tables for row in zip(*(each.column(name) for name in names), strict=True)
    }


def _averaged(
    table: Table, key: str, score: Score, cluster: str
) -> tuple[PredictionTable, tuple[int, ...]]:
    """Return the mean of each example's rows, and how many rows each has."""
    ids, values = table.column(key), table.numbers(score.column)
    groups = table.column(cluster) if cluster in table.header else ()
    rows: dict[str, list[float]] = {}
    together: dict[str, str] = {}
    for at, (label, value) in enumerate(zip(ids, values, strict=True)):
        rows.setdefault(label, []).append(value)
        if groups and together.setdefault(label, groups[at]) != groups[at]:
            raise DesignError(
                f"rows of one {key[:_SHOWN]} are of several {cluster[:_SHOWN]}",
                found=f"{together[label][:_SHOWN]} and {groups[at][:_SHOWN]} of {label[:_SHOWN]}",
                where=table.where,
                expected="a cluster of which all rows of an example are",
            )
    means = tuple(repr(score.of(each, table.where)) for each in rows.values())
    columns = {cluster: tuple(together[label] for label in rows)} if groups else {}
    header = tuple(table.header)
    found = PredictionTable(tuple(rows), ("",) * len(rows), means, {}, columns, header)
    return found, tuple(map(len, rows.values()))


def _sampled(
    counts: Sequence[tuple[int, ...]], key: str, names: Sequence[str], best_of: int = 0
) -> str:
    """Say how often each example was answered, and what became of its answers."""
    times = [_times(each) for each in counts]
    often = times[0] if times[0] == times[1] else ", ".join(
        f"{each} in {name}" for each, name in zip(times, names, strict=True)
    )  # fmt: skip
    whose = "" if key == "question" else f" ({key[:_SHOWN]})"
    number = numbers.amount(len(counts[0]), "question")
    what = "its samples give" if best_of else "the mean of its samples is"
    return f"each of {number}{whose} was answered {often}: {what} one measurement"


def _times(counts: tuple[int, ...]) -> str:
    least, most = min(counts), max(counts)
    return f"{least} to {most} times" if least < most else "once" if most == 1 else f"{most} times"


def _depending(tables: tuple[Table, Table], key: str) -> Iterable[str]:
    """Yield the columns of ids by which several examples go together."""
    units = len(_cells(tables, key))
    for name in tables[0].header:
        if name == key or name not in tables[1].header or not plainfile.is_id(name):
            continue
        if _SAMPLES.fullmatch(name.lower()) or _PLACES.fullmatch(name):
            continue
        if len(_cells(tables, key, name)) == units and 1 < len(_cells(tables, name)) < units:
            yield (
                f"several examples are of one {name[:_SHOWN]}, and each counts as its own: "
                f"--cluster {shlex.quote(name[:_SHOWN])} draws them whole"
            )


def _columns(data: bytes, path: Path, spec: Predictions) -> Predictions:
    """Return the columns of a file: those that were given, else by their usual names."""
    spec = replace(spec, path=path.name)
    if predictions.renamed(spec):
        return spec
    fits = predictions.fitting(predictions.columns_of(data, str(path)))
    found = predictions.single(spec, fits)
    if found is not None:
        return found
    role = next(role for role, names in fits.items() if len(names) != 1)
    every = ", ".join(name for names in predictions.NAMES[role] for name in names)
    raise BadFormatError(
        f"the columns of the predictions are not clear: {predictions.unclear(fits)}",
        found=", ".join(predictions.columns_of(data, str(path)))[:_HEADER] or "no header",
        where=str(path),
        expected=f"one column for {role}: {every}",
        next_step="the same, once the columns are renamed: id, y_true, y_pred"
        if fits[role] or role != "id"
        else "the same, once a column id says which rows are of one example",
    )
