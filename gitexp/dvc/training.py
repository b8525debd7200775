"""Signs by which a stage trains, where its graph does not tell: its names, and what it makes."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from gitexp.dvc.dvcpipeline import touches
from gitexp.model.job import OutKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gitexp.model.job import Stage

CODE: Final = (".py", ".sh", ".R", ".jl", ".ipynb")
_TRAINING: Final = re.compile(
    r"(?:.*[^a-z])?(?:re|pre)?(?:train|trainer|training|fit|fine[_-]?tune|tune|learn)(?:[^a-z].*)?",
    re.IGNORECASE,
)
_EVALUATING: Final = re.compile(r"eval|scor|test|metric|report|valid|measure|judg", re.IGNORECASE)
# A stage that makes something else beside its numbers trains; so does one that makes model.json.
_REPORT: Final = re.compile(
    r".*\.(?:[ct]sv|jsonl|ya?ml|md|html|pdf|png|jpg|svg|parquet)|(?!.*model).*\.(?:json|txt|np[yz])",
    re.IGNORECASE,
)


def is_called_training(stage: Stage) -> bool:
    """Tell whether a stage, or a script of it, is called train or fit, and none evaluate."""
    return any(map(_TRAINING.fullmatch, _names(stage))) and not is_called_evaluating(stage)


def is_called_evaluating(stage: Stage) -> bool:
    """Tell whether a stage, or a script of it, has a name such as evaluate or test."""
    return any(map(_EVALUATING.search, _names(stage)))


def makes_model(stage: Stage, told: Collection[str]) -> bool:
    """Tell whether a stage makes more than reports. `told`: what settings say of its numbers."""
    return any(
        out.kind is OutKind.OUT
        and not any(touches(out.path, each) for each in told)
        and not _REPORT.fullmatch(posixpath.basename(out.path))
        for out in stage.outs
    )


def _names(stage: Stage) -> Iterator[str]:
    yield stage.name.partition("@")[0]
    for word in " ".join(stage.commands).split():
        if word.endswith(CODE):
            yield posixpath.splitext(posixpath.basename(word))[0]
