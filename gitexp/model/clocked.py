"""Names of what a clock or a meter tells: time, speed and memory, which no repeat has twice."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from gitexp.model.metrics import bare

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gitexp.model.run import Resources

RESOURCE: Final = "resource:"
RESOURCES: Final[Mapping[str, Callable[[Resources], float | None]]] = {
    "wall_s": lambda used: used.wall_s,
    "cpu_s": lambda used: used.cpu_s,
    "peak_memory_bytes": lambda used: used.peak_memory_bytes,
}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_MEASURED_BY_CLOCK = frozenset(
    (
        *("clock", "date", "datetime", "duration", "durations", "elapsed", "ended", "finished"),
        *("fps", "latencies", "latency", "mem", "started"),
        *("memory", "ram", "rss", "runtime", "second", "seconds", "secs", "speed", "throughput"),
        *("time", "times", "timestamp", "timing", "timings", "vram", "wall", "walltime"),
    )
)
_UNITS = frozenset(("ms", "ns"))  # they measure at the end of a name, and before "per"
# What may stand beside such a word; with any other (time_series_mae) it is a metric like all.
_BESIDE = frozenset(
    (
        *("allocated", "at", "average", "avg", "batch", "batches", "byte", "bytes", "compute"),
        *("cpu", "cuda", "end", "epoch", "epochs", "eval", "evaluation", "example", "examples"),
        *("file", "fit", "fitting", "gb", "gib", "gpu", "h", "hours", "image", "images"),
        *("in", "inference", "iter", "iteration", "iterations", "iters", "job", "kb", "kib"),
        *("load", "loading", "max", "mb", "mean", "median", "mib", "min", "minutes", "ms", "ns"),
        *("of", "p", "peak", "per", "percentile", "predict", "prediction", "preprocessing"),
        *("prepare", "query", "request", "reserved", "run", "s", "sample", "samples", "score"),
        *("sec", "start", "std", "step", "steps", "sum", "test", "testing", "token", "tokens"),
        *("total", "train", "training", "unix", "us", "usage", "used", "val", "valid"),
        *("validation", "worker"),
    )
)

_SPREADS = frozenset(("sd", "se", "sem", "std", "stddev", "stderr", "stdev", "var"))


def is_resource(metric: str) -> bool:
    """Whether a name is a recorded resource's, ``wall_s``, and no metric of the project's."""
    return metric.removeprefix(RESOURCE) in RESOURCES


def is_cost(metric: str, named: Collection[str]) -> bool:
    """Whether a metric depends on the hardware: a recorded resource, or `named` by the project."""
    return is_resource(metric) or not {metric, bare(metric)}.isdisjoint(named)


@functools.cache
def is_clocked(metric: str) -> bool:
    """Whether a metric is of time, speed or memory, by its name: it varies whatever the seed does.

    >>> [is_clocked(name) for name in ("fit_time_s", "train.samplesPerSecond", "peak_memory_mb")]
    [True, True, True]
    >>> [is_clocked(name) for name in ("sentiment_f1", "time_series_mae", "latency_error", "lift")]
    [False, False, False, False]
    """
    if is_resource(metric):
        return True
    words = [word.lower() for word in _WORDS.findall(metric)]
    known = _MEASURED_BY_CLOCK | _BESIDE
    if not all(word in known or word.isdigit() for word in words):
        return False
    measured = [*words[-1:], *(words[:1] if words[1:2] == ["per"] else ())]
    return not (_MEASURED_BY_CLOCK.isdisjoint(words) and _UNITS.isdisjoint(measured))


def is_spread(metric: str) -> bool:
    """Whether a metric says how far others lie apart, by its name: no question is about that.

    >>> [is_spread(name) for name in ("cv.f1.std", "f1_stderr", "std_score", "std.f1")]
    [True, True, True, True]
    >>> [is_spread(name) for name in ("cv.f1.mean", "seed", "explained_variance", "variety")]
    [False, False, False, False]
    """
    words = _WORDS.findall(bare(metric))
    return not _SPREADS.isdisjoint(word.lower() for word in words)
