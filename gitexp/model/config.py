"""The project's settings, as ``.gitexp/config.yaml`` holds them."""

from __future__ import annotations

import enum
import posixpath
from typing import TYPE_CHECKING

from gitexp.model import dataclass, field, replace
from gitexp.model.plan import Direction, SeedOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.rules import Policy

DEFAULT_METRICS = "metrics.json"  # what `init` takes for the metrics file where nothing names one
DEFAULT_INPUTS_IGNORE = (
    "/.github/",
    "/docs/",
    "/README*",
    "/CHANGELOG*",
    "/LICENSE*",
    "/.editorconfig",
    "/.vscode/",
    "/.idea/",
)


class InputsMode(enum.Enum):
    """Which files of a project are inputs by rules 2, where nobody names them."""

    TREE = "tree"  # all but what people and their tools alone read
    DECLARED = "declared"  # none


class Identity(enum.Enum):
    """How a record names the user, the host and paths."""

    FULL = "full"
    HASH = "hash"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class ParamKey:
    """One parameter: a params file (relative to the project folder) and a dotted key in it."""

    file: str
    key: str

    def __str__(self) -> str:
        """Return ``key`` for params.yaml and ``file:key`` for any other, as DVC's ``-S`` does."""
        return self.key if self.file == "params.yaml" else f"{self.file}:{self.key}"


@dataclass(frozen=True, slots=True)
class SeedRule:
    """How a repeat learns its seed: by params files, or an ``"seed={seed}"`` argument, not both."""

    # They vary: all take a repeat's seed. The committed value of the first is the first seed.
    params: tuple[ParamKey, ...] = ()
    arg: str | None = None
    fixed: tuple[ParamKey, ...] = ()  # seeds too, which keep their committed values in every repeat

    @property
    def every(self) -> tuple[ParamKey, ...]:
        """Return all parameters that are seeds, which no `inputs` covers."""
        return (*self.params, *self.fixed)

    @property
    def is_vector(self) -> bool:
        """Tell whether one number does not say what a repeat's seeds are."""
        return len(self.params) > 1 or bool(self.fixed)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Where the per-example predictions of a repeat are, and what its columns are called."""

    path: str
    id: str = "id"
    y_true: str = "y_true"
    y_pred: str = "y_pred"
    positive: str | None = None  # label of the positive class, as text
    cluster: str | None = None  # column of what examples depend on together: a user, a patient


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """All settings of a project; every path is POSIX and relative to the project folder.

    Exactly one of `pipeline` and `command` is set in a project that can run.
    """

    project: str = ""  # folder of the project below the repository's top, "" for the top itself
    pipeline: str | None = None  # path of dvc.yaml
    targets: tuple[str, ...] = ()  # stages to run, with what they need; empty: all
    command: str | None = None  # shell command, where there is no pipeline
    params: tuple[str, ...] = ("params.yaml",)
    metrics: tuple[str, ...] = ()  # metrics files
    directions: Mapping[str, Direction] = field(default_factory=dict)  # metric name -> direction
    cost: tuple[str, ...] = ()  # metrics of time, memory or energy: they depend on the hardware
    outputs: tuple[str, ...] = ()  # declared outputs that Git does not hold (DVC-cached)
    predictions: Predictions | None = None
    curves: tuple[str, ...] = ()
    evaluation: tuple[str, ...] = ()  # paths whose content is the evaluation data
    seed: SeedRule = field(default_factory=SeedRule)
    seeds: SeedOrigin = SeedOrigin.DRAWN  # of a new plan
    python: str | None = None  # interpreter of jobs; None: the active virtual environment's
    link: tuple[str, ...] = ()  # ignored paths that jobs see through a link
    once: tuple[str, ...] = ()  # stages run once, whatever the seed
    keep: tuple[str, ...] = ()  # outputs of which every repeat keeps the bytes
    timeout_s: float | None = None  # of one repeat
    inputs_rules: int = 1  # 2: what people and their tools alone read is ignored, too
    inputs_mode: InputsMode = InputsMode.TREE
    inputs_ignore: tuple[str, ...] = DEFAULT_INPUTS_IGNORE
    inputs_include: tuple[str, ...] = ()  # by rules 2: what is not ignored, whatever else says so
    branch_prefix: str = "exp/"
    min_slice: int = 10
    evaluation_budget: int | None = None  # decisions on the same evaluation data
    git_file_limit_bytes: int = 5 * 1024 * 1024
    rules: Mapping[str, Policy] = field(default_factory=dict)  # "R5" -> what it weighs here
    rule_branches: str = ""  # pattern of experiments' branches, "" for those with the prefix
    protected: tuple[str, ...] = ("main", "master")  # patterns of branches to merge into
    not_secret: tuple[str, ...] = ()  # parameters whose values only look like secrets
    auto_checkout: bool = False  # whether hooks bring outputs of DVC to what was checked out
    witness_required: bool = False  # whether a run waits until somebody else saw the plan
    identity: Identity = Identity.FULL

    @property
    def is_declared(self) -> bool:
        """Whether inputs are what something declares."""
        return self.inputs_mode is InputsMode.DECLARED

    @property
    def inputs_by(self) -> tuple[int, InputsMode]:
        """Rules and mode of inputs."""
        return self.inputs_rules, self.inputs_mode

    def by_rules(self, by: tuple[int, InputsMode]) -> ProjectConfig:
        """Return the same with these rules and this mode of inputs."""
        return (
            self if by == self.inputs_by else replace(self, inputs_rules=by[0], inputs_mode=by[1])
        )

    def as_planned(self, plan: ProjectConfig) -> ProjectConfig:
        """Return the same as the settings that a plan stood on read it.

        Declared mode takes files away, so that both have to say it: whoever writes a plan takes
        none from a baseline that counts them.
        """
        mode = self.inputs_mode if plan.is_declared else plan.inputs_mode
        return replace(self.by_rules((plan.inputs_rules, mode)), cost=plan.cost)

    @property
    def lock(self) -> str:
        """Where the pipeline's dvc.lock lies."""
        return posixpath.join(posixpath.dirname(self.pipeline or ""), "dvc.lock")

    @property
    def experiment_branches(self) -> str:
        """Return the pattern of experiments' branches; ``*`` stands for any text."""
        return self.rule_branches or f"{self.branch_prefix}*"
