"""Requests: what the user asks of `init`, `new` and `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model import dataclass, field
from gitexp.model.plan import PlanDraft, SeedOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.config import InputsMode, ParamKey, ProjectConfig
    from gitexp.model.ids import CommitHash, InputsDigest, ParamValue


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest(PlanDraft):
    """One call of `gitexp new`."""

    name: str
    hypothesis: str
    metric: str
    effect: str
    start: str | None = None  # the commit on which the first one stands; None: HEAD
    # written into the params files of the first commit
    params: tuple[tuple[ParamKey, ParamValue], ...] = ()
    here: bool = False  # put the plan on the current branch instead of a new one
    checkout: bool | None = None  # switch to the new branch; None: where the work tree is clean
    seeds: SeedOrigin | None = None  # where its seeds come from; None: what the settings say
    expect: str | None = None  # the true effect, as in `PowerRequest`; no plan records it
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One call of `gitexp run`."""

    # How many repeats shall count in the end, on each side; None: what the plan says, or 1 where
    # there is no plan.
    repeats: int | None = None
    seeds: tuple[int, ...] = ()  # exactly these instead of the default ones; empty: the default
    jobs: int = 1  # repeats that run at the same time
    # Overrides; they belong to the run's source, not to a commit (but see `commit_message`).
    params: tuple[tuple[ParamKey, ParamValue], ...] = ()
    # Name of the sweep that these runs are part of, "" for the default: runs with overrides over
    # one state of the project belong together, others stand alone. A baseline is in none.
    group: str = ""
    with_baseline: bool = False  # run the plan's baseline too, with the same seeds
    at: str | None = None  # revision to run instead of HEAD
    on: str | None = None  # branch to record on instead of the current one
    # Run seeds that count already once more, and leave what killed calls of another state had
    # finished where it is.
    again: bool = False
    dry_run: bool = False  # say what would be run, run nothing
    timeout_s: float | None = None  # of one repeat, in seconds
    keep_going: bool = False  # past a failed repeat, and what no verdict could come of
    # Record finished repeats of calls that died, then run what the last of them still lacked;
    # without one, what the plan still lacks, and without a plan nothing (an error).
    resume: bool = False
    # Commit uncommitted tracked changes and overrides with this message first.
    commit_message: str | None = None
    engine: str = "local"  # key of ``ENGINES``
    trust: bool = False  # execute also a commit that none of the user's own branches holds
    holdout: bool = False  # begin no job: score what the planned repeats have kept


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The part of a request that its resumption needs.

    `commit` to `group` say what the call's own side executed, whichever side a note is about;
    `commit` is "" and `inputs` None where an older version noted the baseline alone.
    """

    repeats: int | None
    seeds: tuple[int, ...]
    jobs: int
    with_baseline: bool
    at: str | None
    again: bool = False
    timeout_s: float | None = None
    commit: str = ""
    inputs: InputsDigest | None = None
    overrides: Mapping[str, ParamValue] = field(default_factory=dict)
    group: str = ""

    def is_same(self, seeds: tuple[int, ...], inputs: InputsDigest | None) -> bool:
        """Whether these seeds and inputs were asked for: `run` goes on with such a call."""
        return self.seeds == seeds and self.inputs in {None, inputs}


@dataclass(frozen=True, slots=True)
class InitRequest:
    """One call of `gitexp init`; None and empty mean: find out."""

    project: str | None = None  # folder of the project below the repository's top
    command: str | None = None  # shell command of a project without a pipeline
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    predictions: str | None = None
    seed_params: tuple[ParamKey, ...] = ()
    seed_arg: str | None = None
    python: str | None = None
    inputs: InputsMode | None = None  # which files that nobody names are inputs
    add_inputs: tuple[str, ...] = ()  # what repeats shall see, though its kind is left out
    dvc_init: bool | None = None  # make a DVC repository where there is none; None: nobody said
    write_pipeline: bool = False  # turn the command into a dvc.yaml with one stage
    commit: bool = True
    merge_driver: bool = False  # let Git in this clone join dvc.lock and gitexp's files by gitexp
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class InitReport:
    """What `gitexp init` wrote, or found there already."""

    config: ProjectConfig
    existed: bool  # the settings were there; without `files` nothing was changed
    files: tuple[str, ...]  # what was written, from the repository's top
    found: tuple[tuple[str, str], ...]  # what was found, as (what, where) for people
    notes: tuple[str, ...]  # what could not be found out, and what to do about it
    commit: CommitHash | None  # None where nothing was committed
    command: str  # the git command that commits the files, where that was left to the user
    dry_run: bool
    next_step: str
