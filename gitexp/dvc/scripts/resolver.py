"""DVC's own resolver of templates, foreach and matrix, in a process of its own.

Started as a file (``python -I resolver.py``), so that it needs nothing of gitexp, and at most once
per run: importing DVC costs more than most stages' templates. It reads ``dvc.yaml`` and the files
named by ``vars``; it opens no repository, takes no lock and writes nothing but its answer.

Stdin: ``[{"file": ABSOLUTE PATH, "parsing": {...}}, ...]``. Stdout: for each of them, in order,
``{"stages": {...}, "metrics": [...], ...}`` or ``{"error": TEXT}``.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sized
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from dvc.exceptions import DvcException
from dvc.fs import localfs
from dvc.parsing import DataResolver, EntryDefinition, ForeachDefinition, MatrixDefinition
from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA
from dvc.utils.serialize import load_yaml
from voluptuous import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Answer = dict[str, object]
MOST_STAGES = 10_000  # a matrix of five short lists has a hundred million


def resolve(file: str, parsing: Mapping[str, str]) -> Answer:
    """Return what one ``dvc.yaml`` declares, with everything filled in, or why that failed."""
    try:
        written = load_yaml(file)
        COMPILED_MULTI_STAGE_SCHEMA(written)
        place = SimpleNamespace(fs=localfs, config={"parsing": parsing})  # all that it asks for
        resolver = DataResolver(place, str(Path(file).parent), written)
        stages = dict(_stages(resolver))
        if resolver.definitions and not stages:
            return {"error": f"{_key(resolver, next(iter(resolver.definitions)))} is empty"}
        return {
            "stages": stages,
            "metrics": resolver.resolve_metrics(),
            "plots": resolver.resolve_plots(),
            "params": resolver.resolve_params(),
            "artifacts": resolver.resolve_artifacts(),
        }
    except (DvcException, Invalid) as error:
        return {"error": " ".join(str(error).split())}


def _stages(resolver: DataResolver) -> Iterator[tuple[str, object]]:
    """Yield each stage; a foreach or matrix over nothing makes none."""
    left = MOST_STAGES
    for name, definition in resolver.definitions.items():
        try:
            one = isinstance(definition, EntryDefinition)
            left -= 1 if one else _number(definition)
            if left < 0:
                raise DvcException(f"stages.{name} and those before are more than {MOST_STAGES}")
            for each in [name] if one else definition.get_generated_names():
                yield from resolver.resolve_one(each).items()
        except (AssertionError, AttributeError, TypeError) as error:  # DVC takes a list for granted
            raise DvcException(f"{_key(resolver, name)} is no list and no mapping") from error


def _number(group: ForeachDefinition | MatrixDefinition) -> int:
    """Return how many stages a group makes; none is built."""
    over = group.resolved_iterable
    if isinstance(group, ForeachDefinition):
        return len(over)
    return math.prod(len(each) for each in over.values() if isinstance(each, Sized))


def _key(resolver: DataResolver, name: str) -> str:
    """Return what makes a group of stages, as it is written."""
    definition = resolver.definitions[name]
    foreach = getattr(definition, "foreach_data", None)
    written = definition.matrix_data if foreach is None else foreach
    return f"stages.{name}.{'matrix' if foreach is None else 'foreach'}: {written}"


def main() -> int:
    """Answer one question."""
    asked = json.load(sys.stdin)
    json.dump([resolve(one["file"], one["parsing"]) for one in asked], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
