"""`gitexp test`: the same tests on two plain files, without a repository and without a plan.

A file is taken for a reported run that nobody keeps, so that each design, test and report is that
of `gitexp compare`. Nothing of it was recorded beforehand: a hypothesis is the one typed now.
"""

from __future__ import annotations

import base64
import enum
import hashlib
from typing import TYPE_CHECKING

from gitexp.comparison import advice
from gitexp.comparison.compare import side_of
from gitexp.comparison.counting import Count, Evaluation, SideCount
from gitexp.comparison.designs import Chosen, choose, example_files
from gitexp.comparison.eligible import Counted
from gitexp.comparison.measure import CountedSides, Question
from gitexp.comparison.sides import ResolvedSide
from gitexp.errors import BadFormatError, DesignError, UnknownMetricError, UsageError
from gitexp.git import objects
from gitexp.model import dataclass, replace
from gitexp.model.comparison import Comparison, MetricComparison, Role
from gitexp.model.config import Predictions, ProjectConfig
from gitexp.model.ids import CommitHash, InputsDigest, RunId, TreeId
from gitexp.model.plan import ALPHA, Claim, Direction, Effect, HypothesisKind, Person, Verdict
from gitexp.model.run import Origin, Repeat, RepeatState, Run, Sample
from gitexp.model.run import Source as RunSource
from gitexp.records.terms import check_alpha, format_effect
from gitexp.report import numbers, words
from gitexp.stats.decide import decide
from gitexp.store.lookup import FoundRun
from gitexp.text import logs, plainfile
from gitexp.text.samples import LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path


MOST_VALUES = 20_000  # of a metric; relabelling more takes minutes
MANY = 6  # metrics that a message names
NO_FILE = Predictions("")
_SHOWN = 60  # of an id
_NOT_READ = frozenset(
    (
        ".parquet",
        ".feather",
        ".arrow",
        ".gz",
        ".bz2",
        ".xz",
        ".zst",
        ".zip",
        ".xlsx",
        ".npy",
        ".npz",
    )
)
NO_EFFECT = Effect(HypothesisKind.TWO_SIDED, 0.0, relative=False)
TYPED = (
    "the hypothesis was typed with the data at hand: its verdict holds only if it was fixed before"
)
UNTYPED = "no hypothesis was given: p against no difference, two-sided, and no verdict"


class FileDesign(enum.Enum):
    """What a row of either file is, and how the rows of both belong together."""

    PAIRED = "paired"  # repeats, joined by seed, else by a column of ids, else by their order
    INDEPENDENT = "independent"  # repeats that have nothing to do with each other
    FOLDS = "folds"  # of one cross-validation, with n_train and n_test
    DATASETS = "datasets"  # one value each
    EXAMPLES = "examples"  # of one evaluation set, predicted by two models


ROWS = {  # what they are called, and what has to be there; elsewhere as of pairs
    FileDesign.FOLDS: ("folds", "a column fold, with n_train and n_test"),
    FileDesign.DATASETS: ("data sets", "a column dataset"),
    FileDesign.PAIRED: ("one value a repeat", "one row a repeat"),
}


_COLUMNS = {  # that say what a row is
    "fold": FileDesign.FOLDS,
    "dataset": FileDesign.DATASETS,
    "seed": FileDesign.PAIRED,
}


@dataclass(frozen=True, slots=True)
class FileQuestion:
    """What is asked of two files."""

    design: FileDesign
    metric: str | None = None  # the column that the question is about; None: the only one there is
    direction: Direction | None = None  # which way it is better; needed with an effect
    # the hypothesis; None: two-sided against no difference, without a verdict
    effect: Effect | None = None
    alpha: float = ALPHA
    # for examples: what the columns are called, which label is the positive one, and which column
    # names what examples depend on together
    columns: Predictions = NO_FILE


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    data: bytes
    samples: tuple[Sample, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(sample.metric for sample in self.samples))

    @property
    def commit(self) -> CommitHash:  # as of ``git hash-object FILE``
        return CommitHash(objects.blob_hash(self.data))


def compare_files(
    baseline: Path, candidate: Path, question: FileQuestion, *, now: datetime, program: str
) -> Comparison:
    """Test two files of numbers, CSV or JSON, as `text.plainfile` reads them.

    Its sides are named after the files; `commit` is what ``git hash-object`` gives, `inputs` what
    ``sha256sum`` does.
    """
    check_alpha(question.alpha)
    if question.columns.cluster and question.design is not FileDesign.EXAMPLES:
        raise UsageError(
            "only examples go together in clusters",
            found=f"--design {question.design.value}",
            next_step="the same with --design examples, for files of predictions",
        )
    if question.design is FileDesign.EXAMPLES:
        files, found = _examples(baseline, candidate, question)
        pair, joined, scope = found.pair, found.joined, found.scope
        question = replace(question, metric=files[0].metrics[0])
    else:
        files, joined = _numbers(baseline, candidate, question)
        pair, scope = None, ""
        for file in files:
            _check_shape(file, question.design)
    metric = _metric(files, question)
    for file in files:
        _check_values(file, metric)
    counted = _count(*files, question.design, joined, now)
    situation = CountedSides(
        top=None,
        baseline=_source(files[0]),
        candidate=_source(files[1]),
        plan=None,
        claim=Claim.METHOD if pair is None else Claim.MODEL,
        count=counted,
        evaluation=Evaluation((), undeclared=True, bases=()),
    )
    chosen = choose(situation) if pair is None else Chosen(situation, pair)
    answer = chosen.measure(
        Question(
            metric,
            Role.PRIMARY,
            question.direction,
            question.effect,
            question.alpha,
            row_key=joined.by,
        )
    )
    if answer.comparison is None:
        raise DesignError(
            answer.refused or f"{metric} cannot be compared", where=f"{baseline} and {candidate}"
        )
    verdict = None
    if question.effect is not None:
        result, comparable = answer.comparison.result, not answer.refused
        verdict = decide(question.effect.kind, result, comparable=comparable)
    return Comparison(
        baseline=replace(side_of(situation.baseline, counted.baseline), runs=()),
        candidate=replace(side_of(situation.candidate, counted.candidate), runs=()),
        plan=None,
        claim=situation.claim,
        effect=question.effect,
        verdict=verdict,
        headline=_headline(question, answer.comparison, verdict, answer.refused or answer.still),
        reasons=tuple(filter(None, (answer.refused, answer.still))),
        metrics=(answer.comparison,),
        changes=(),
        unused=counted.unused,
        warnings=(
            *joined.cautions,
            UNTYPED if question.effect is None else TYPED,
            *answer.warnings,
        ),
        looks=0,
        planned_repeats=None,
        pairs=len(counted.pairs),
        next_step="",
        compared_at=now,
        program=program,
        row_key=joined.by,
        scope=scope,
    )


def proposed(baseline: Path, candidate: Path, metric: str | None) -> FileDesign | None:
    """Return the design that the columns of two files speak of; None where they do not.

    Examples are what ids say, of which each may have several rows; values are not looked at.
    """
    paths = baseline, candidate
    data = _bytes(baseline), _bytes(candidate)
    if example_files.are_predictions(data, paths, metric):
        return FileDesign.EXAMPLES
    one, two = (logs.read(each, str(path)) for each, path in zip(data, paths, strict=True))
    if example_files.are_examples((one, two), metric):
        return FileDesign.EXAMPLES
    both = frozenset(one.header) & frozenset(two.header)
    for column, design in _COLUMNS.items():
        if column in both:
            return design
    return None


def _examples(
    baseline: Path, candidate: Path, question: FileQuestion
) -> tuple[tuple[_File, _File], example_files.ReadExamples]:
    """Read examples of both models, and what the question is about."""
    data, paths = (_bytes(baseline), _bytes(candidate)), (baseline, candidate)
    found = example_files.read(data, paths, question.metric, question.columns)
    left, right = (
        _File(path.name, each, (Sample(found.metric, 0, value),))
        for path, each, value in zip(paths, data, found.values, strict=True)
    )
    return (left, right), found


def _numbers(
    baseline: Path, candidate: Path, question: FileQuestion
) -> tuple[tuple[_File, _File], plainfile.RowKey]:
    """Read measurements of both sides, and find what joins their rows."""
    data = _bytes(baseline), _bytes(candidate)
    one, two = (
        logs.read(each, str(path)) for each, path in zip(data, (baseline, candidate), strict=True)
    )
    paired, said = question.design is FileDesign.PAIRED, tuple[str, ...]()
    if paired:
        (one, two), said = example_files.one_row_each((one, two), question.metric)
    joined = plainfile.join(one, two, question.metric, paired=paired)
    joined = replace(joined, cautions=(*joined.cautions, *said))
    left = _File(baseline.name, data[0], plainfile.samples(one, joined))
    return (left, _File(candidate.name, data[1], plainfile.samples(two, joined))), joined


def _bytes(path: Path) -> bytes:
    if path.suffix.lower() in _NOT_READ:
        raise BadFormatError(
            f"{path.suffix[1:]} is not read",
            found=path.name,
            expected="CSV, JSON or JSON Lines",
            next_step="the same with what to_csv(FILE, index=False) of pandas writes",
        )
    try:
        with path.open("rb") as stream:
            return stream.read(LIMIT + 1)
    except OSError as error:
        raise BadFormatError(
            "the file cannot be read", found=error.strerror or "", where=str(path)
        ) from error


def _metric(files: Sequence[_File], question: FileQuestion) -> str:
    others = frozenset(files[1].metrics)
    both = [name for name in files[0].metrics if name in others]
    where = " and ".join(file.name for file in files)
    metric = question.metric or (both[0] if len(both) == 1 else "")
    if metric not in both:
        raise UnknownMetricError(
            "no metric is named" if not question.metric else "not both files have this metric",
            found=question.metric or f"{len(both)} metrics in both files",
            where=where,
            expected=", ".join(both[:MANY]) or "a column of numbers that both have",
            next_step="the same with --metric and one of these",
        )
    return metric


def _check_values(file: _File, metric: str) -> None:
    number = sum(1 for item in file.samples if item.metric == metric)
    if number > MOST_VALUES:
        raise DesignError(
            f"too many values of {metric[:60]} to be tested",
            found=f"{number} rows",
            where=file.name,
            expected=f"at most {MOST_VALUES} repeats, folds or data sets",
            next_step="the same with --design examples, if a row is an example",
        )


def _check_shape(file: _File, design: FileDesign) -> None:
    """Refuse rows of another kind than the design speaks of; numbers are not looked at."""
    by_fold = any(item.fold is not None or item.rep is not None for item in file.samples)
    by_dataset = any(item.dataset for item in file.samples)
    kinds = [FileDesign.FOLDS] * by_fold + [FileDesign.DATASETS] * by_dataset or [FileDesign.PAIRED]
    wanted = design if design in ROWS else FileDesign.PAIRED
    if wanted not in kinds:
        kind = kinds[0].value
        raise DesignError(
            f"these are not the rows of the design {design.value}",
            found=ROWS[kinds[0]][0],
            where=file.name,
            expected=ROWS[wanted][1],
            next_step=f"the same with --design {kind}",
        )


def _count(
    left: _File, right: _File, design: FileDesign, joined: plainfile.RowKey, now: datetime
) -> Count:
    sides = _side_count(left, now), _side_count(right, now)
    seeds = [frozenset(side.repeats) for side in sides]
    if design is FileDesign.INDEPENDENT:
        return Count(*sides, (), "", (), (), 0, 1)
    if seeds[0] != seeds[1]:
        raise _unpaired((left, right), seeds, joined)
    return Count(*sides, tuple(sorted(seeds[0])), "", (), (), 0, 1)


def _unpaired(
    files: Sequence[_File], seeds: Sequence[frozenset[int]], joined: plainfile.RowKey
) -> DesignError:
    """Return the error that rows have no partner, which no other design would give them."""
    found = " and ".join(f"{len(own)} rows" for own in seeds)
    expected = "as many rows in both files"
    step = "a column of ids in both files says which rows are pairs; then the same again"
    if joined.by != plainfile.ORDER:
        both, alone = seeds[0] & seeds[1], list[str]()
        for file, own in zip(files, seeds, strict=True):
            ids = [joined.ids[number][:_SHOWN] for number in sorted(own - both) if joined.ids]
            said = f"{joined.by} {numbers.listed(ids, MANY)}" if ids else numbers.seeds(own - both)
            alone += [f"{said} in {file.name} alone"] if own - both else []
        found = "; ".join(alone)
        expected = "the same seeds or ids in both files; what failed has a value, too (0, say)"
        step = "leave their rows out of both files, then the same again" if both else ""
    where = " and ".join(file.name for file in files)
    return DesignError(
        "paired rows have no partner", found=found, where=where, expected=expected, next_step=step
    )


def _side_count(file: _File, now: datetime) -> SideCount:
    """Take the file for a run that was reported from outside."""
    by_seed: dict[int, dict[tuple[str, int | None, int | None, str], Sample]] = {}
    for item in file.samples:
        by_seed.setdefault(item.seed, {})[item.metric, item.rep, item.fold, item.dataset] = item
    repeats = {seed: Repeat(seed, RepeatState.FINISHED) for seed in by_seed}
    digest = hashlib.sha256(file.data)
    run = Run(
        id=RunId(base64.b32encode(digest.digest())[:16].decode().lower()),
        origin=Origin.REPORTED,
        source=RunSource(file.commit, TreeId(""), ""),
        inputs=InputsDigest(digest.hexdigest()),
        plan=None,
        group="",
        engine="",
        author=Person("", ""),
        started_at=now,
        ended_at=now,
        seeds=tuple(by_seed),
        committed_seed=min(by_seed),
        repeats=tuple(repeats.values()),
        params={},
        program="",
        sample_rows=len(file.samples),
        samples_sha256=digest.hexdigest(),
    )
    found = FoundRun(run, file.samples, run.source.commit, 0)
    counted = {seed: Counted(found, repeats[seed], by_seed[seed]) for seed in sorted(by_seed)}
    return SideCount(counted, None, "", ())


def _source(file: _File) -> ResolvedSide:
    commit = file.commit
    inputs = InputsDigest(hashlib.sha256(file.data).hexdigest())
    return ResolvedSide(file.name, commit, commit, commit, ProjectConfig(), inputs)


def _headline(
    question: FileQuestion, metric: MetricComparison, verdict: Verdict | None, refused: str
) -> str:
    result = metric.result
    if refused or result is None:
        return refused or f"{metric.metric} was not tested"
    if verdict is None or question.effect is None or question.direction is None:
        p = advice.p_words(result.p_value, question.alpha)
        size = advice.effect_words(metric, NO_EFFECT)
        return f"{metric.metric} changes by {size}: p = {p} against no difference, two-sided"
    effect = question.effect
    promise = format_effect(effect, metric.metric, question.direction)
    if verdict is Verdict.UNDECIDABLE:
        why = advice.out_of_reach(result.plan, one_sided=effect.one_sided)
        return f"not shown that {promise}: {why}"
    decides = (result.p_refute if verdict is Verdict.REFUTED else result.p_support) or 0.0
    said = f"{advice.effect_words(metric, effect)}, p = {advice.p_words(decides, question.alpha)}"
    return f"{words.BEFORE.get(verdict, '')}{promise}: {said}, alpha = {question.alpha:g}"
