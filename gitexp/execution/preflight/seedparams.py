"""Finds the parameters that are seeds: those that were named, else those that look like one."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from gitexp.dvc import pipeline
from gitexp.errors import GitexpError, SeveralSeedsError, UsageError
from gitexp.model.config import ParamKey, SeedRule
from gitexp.text import params as params_format
from gitexp.text.fields import near

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gitexp.model.ids import ParamValue
    from gitexp.model.job import Stage
    from gitexp.model.request import InitRequest

_SEED_NAME = re.compile(r"(^|[._])(seed|random_state)$", re.IGNORECASE)  # noise_seed, too
_PARAMS_LIMIT = 1 << 20
_UNKNOWN = SeedRule()


def seed_rule(
    request: InitRequest,
    folder: Path,
    params: Sequence[str],
    stages: Sequence[Stage],
    before: SeedRule = _UNKNOWN,
) -> SeedRule:
    """Return how a repeat learns its seed; the parameters of `before` are known to be seeds."""
    if request.seed_arg is not None:
        return SeedRule(arg=request.seed_arg, fixed=before.fixed)
    values = {
        ParamKey(file, key): value
        for file in params
        for key, value in _flat(folder / file, file).items()
    }
    for wanted in request.seed_params:
        if wanted not in values:
            names = [str(key) for key in values]
            likely = near(str(wanted), names)
            raise UsageError(
                f"there is no parameter {wanted}",
                where=", ".join(params),
                expected=", ".join(names[:20]) or "a params file",
                next_step=f"the same with --seed-param {likely[0]}" if likely else "",
            )
        if not _is_whole(values[wanted]):
            raise UsageError(
                f"{wanted} is no seed",
                found=repr(values[wanted]),
                where=wanted.file,
                expected="a parameter with a whole number",
            )
    named = [key for key, value in values.items() if is_seed(key, value)]
    declared = [key for key in named if any(pipeline.depends_on(stage, key) for stage in stages)]
    choice = declared or named
    if request.seed_params:
        known = dict.fromkeys([key for key in before.every if key in values] + choice)
        fixed = tuple(key for key in known if key not in request.seed_params)
        return SeedRule(request.seed_params, fixed=fixed)
    if len(choice) > 1:
        raise SeveralSeedsError(
            "several parameters look like seeds",
            found=", ".join(str(key) for key in choice),
            where=", ".join(dict.fromkeys(key.file for key in choice)),
            expected="which of them take a repeat's seed; the others keep their committed value",
            next_step=f"the same with {_options(choice)}, for all of them; or with "
            + " or ".join(_options([key]) for key in choice),
        )
    return SeedRule(tuple(choice))


def fixed_seeds(request: InitRequest, rule: SeedRule) -> list[str]:
    """Return a note on what is taken for a seed without being named; none where nothing is."""
    if not (request.seed_params and rule.fixed):
        return []
    listed = ", ".join(map(str, rule.fixed))
    return [f"{listed} is taken for a seed that keeps its committed value"]


def has_seed(folder: Path, file: str) -> bool:
    """Whether a file of settings is in a project's folder and has a seed."""
    if ".." in file.split("/"):
        return False
    with contextlib.suppress(GitexpError, OSError):
        values = _flat(folder / file, file).items()
        return any(is_seed(ParamKey(file, key), value) for key, value in values)
    return False


def is_seed(key: ParamKey, value: ParamValue) -> bool:
    """Whether a parameter looks like a seed."""
    return bool(_SEED_NAME.search(key.key)) and _is_whole(value)


def _options(keys: Iterable[ParamKey]) -> str:
    return " ".join(f"--seed-param {key}" for key in keys)


def _is_whole(value: ParamValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _flat(path: Path, file: str) -> dict[str, ParamValue]:
    try:
        with path.open("rb") as stream:
            data = stream.read(_PARAMS_LIMIT + 1)
    except FileNotFoundError:
        return {}
    return dict(params_format.flat(data, file))
