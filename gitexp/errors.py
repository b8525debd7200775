"""Every way in which gitexp says no: one class each, with a stable id, an exit code and a hint.

A message answers four questions: what was found, where, what was expected, what to type next.
The table in ``docs/exit-codes.md`` is generated from these classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self


class GitexpError(Exception):
    """Base of all errors that gitexp raises on purpose.

    Parameters
    ----------
    summary : str
        One line: what cannot be done. No trailing full stop.
    found, where, expected : str, optional
        What was met, in which file, ref or line, and what should have been there.
    next_step : str, optional
        What to type next; the class's `hint` where it is empty.
    """

    id: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 70
    hint: ClassVar[str] = ""

    def __init__(
        self,
        summary: str,
        *,
        found: str = "",
        where: str = "",
        expected: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.found, self.where, self.expected = found, where, expected
        self.next_step = next_step or self.hint

    def __str__(self) -> str:
        """Return all of it on one line: what a traceback of the Python API shows."""
        return "; ".join([self.summary, *(f"{label}: {text}" for label, text in self.lines())])

    @property
    def brief(self) -> str:
        """What cannot be done and what was met, for a line within other output."""
        return ": ".join(part for part in (self.summary, self.found) if part)

    @property
    def located(self) -> str:
        """What cannot be done, what was met and where, for a note beside an answer."""
        return ", ".join(part for part in (self.summary, self.found, self.where) if part)

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Return the filled fields as (label, text), in the order in which they are shown."""
        texts = (self.found, self.where, self.expected, self.next_step)
        labels = ("found", "where", "expected", "next")
        return tuple((label, text) for label, text in zip(labels, texts, strict=True) if text)


class UsageError(GitexpError):
    """The command line or the arguments of a call do not make sense."""

    id = "usage"
    exit_code = 2
    hint = "gitexp --help"


class BadNameError(UsageError):
    """An experiment's name does not have the allowed form."""

    id = "bad-name"


class BadHypothesisError(UsageError):
    """The hypothesis is empty, or still the template's text."""

    id = "bad-hypothesis"


class BadEffectError(UsageError):
    """The promised effect cannot be read, or contradicts the metric's direction."""

    id = "bad-effect"


class UnknownMetricError(UsageError):
    """The named metric is not among those that the project reports."""

    id = "unknown-metric"


class AmbiguousMetricError(UsageError):
    """Several metrics files give the named metric, so that its file has to be named, too."""

    id = "ambiguous-metric"
    hint = "gitexp amend-plan --metric FILE:NAME --why TEXT"

    @classmethod
    def of(cls, name: str, called: Iterable[str]) -> Self:
        """Return the error for a plain name and the names, with their files, that it may mean."""
        listed = sorted(called)
        return cls(
            f"several metrics files give {name}",
            found=", ".join(listed),
            expected="one of these, with its file",
            next_step=f"the same with {listed[0]}",
        )


class UnknownParamError(UsageError):
    """The named parameter is in none of the params files."""

    id = "unknown-param"


class UntrustedSourceError(UsageError):
    """Commands of somebody else would be executed, and nobody said that they may."""

    id = "untrusted"


class ForeignRemoteError(UsageError):
    """Data would go to, or come from, a place that only somebody else's branch names."""

    id = "foreign-remote"


class ConfirmationError(UsageError):
    """A question would have to be asked, and there is nobody to ask."""

    id = "needs-yes"
    hint = "give --yes"


class SeveralSeedsError(UsageError):
    """Several parameters look like seeds, and nobody said which of them vary."""

    id = "several-seeds"


class PreconditionError(GitexpError):
    """Something has to exist or hold first."""

    id = "precondition"
    exit_code = 3


class NoRepositoryError(PreconditionError):
    """There is no Git repository here, or not one that this command can use."""

    id = "no-repository"
    hint = "git init"


class ForeignProgramError(PreconditionError):
    """The answer needs a program that the settings of the repository's folder itself name."""

    id = "foreign-program"
    hint = "git clone it, and work in the clone"


class BareRepositoryError(PreconditionError):
    """The command needs a work tree, and the repository is bare."""

    id = "bare-repository"
    hint = "git clone it, then run the command in the clone"


class UnbornBranchError(PreconditionError):
    """The branch has no commit yet."""

    id = "unborn-branch"
    hint = "git add . && git commit"


class DetachedHeadError(PreconditionError):
    """HEAD is on no branch, so there is nothing to record on."""

    id = "detached-head"
    hint = "git switch BRANCH, or name one with --on BRANCH"


class UnknownRevisionError(PreconditionError):
    """A revision does not name a commit."""

    id = "unknown-revision"
    hint = "git log --oneline --all"


class DirtyTreeError(PreconditionError):
    """Tracked files have changes that no commit holds."""

    id = "dirty-tree"
    hint = "git commit -a, or gitexp run --commit -m MESSAGE"


class NotInitialisedError(PreconditionError):
    """The source has no .gitexp/config.yaml and no plan commit supplies one."""

    id = "not-initialised"
    hint = "gitexp init"


class NoPipelineError(PreconditionError):
    """Neither a dvc.yaml nor a command says what a run would execute."""

    id = "no-pipeline"
    hint = 'gitexp init --command "python train.py" --metrics metrics.json'


class NoPlanError(PreconditionError):
    """The branch has no plan, so there is no hypothesis to judge."""

    id = "no-plan"
    hint = "gitexp new NAME"


class NoStoppingRuleError(PreconditionError):
    """The plan does not say how it may be looked at before all repeats are there."""

    id = "no-stopping-rule"
    hint = "gitexp new NAME --stopping always-valid --metric ... --effect ... --hypothesis ..."


class NoSamplesError(PreconditionError):
    """There is nothing to compare with."""

    id = "no-samples"


class UnknownExperimentError(PreconditionError):
    """No branch, archive tag or conclusion has this name."""

    id = "unknown-experiment"
    hint = "gitexp list"


class UnknownRunError(PreconditionError):
    """No recorded run has this id, or several begin with it."""

    id = "unknown-run"
    hint = "gitexp list --runs"


class ExistsError(PreconditionError):
    """What was to be made is there already."""

    id = "exists"


class DataMissingError(PreconditionError):
    """Bytes that a command needs are not in the local DVC cache."""

    id = "data-missing"
    hint = "dvc pull"


class DamagedDataError(PreconditionError):
    """Bytes in the cache or in a record do not match their digest."""

    id = "damaged-data"


class MissingObjectError(DamagedDataError):
    """An object of the repository is not here; a fetch may bring it."""

    id = "missing-object"


class ChangingFileError(PreconditionError):
    """A file is written to while it is read, so that no hash would be true."""

    id = "changing-file"
    hint = "wait until the command has ended, then run it again"


class UnsafeInputError(PreconditionError):
    """Input from a branch would reach outside its place, or is too large to be read."""

    id = "unsafe-input"


class RefusedTreeError(UnsafeInputError):
    """A commit is not as Git writes them, or a folder in it has ``.git`` or a name twice."""

    id = "refused-tree"


class BadFormatError(PreconditionError):
    """A file cannot be read as what it should be."""

    id = "bad-format"
    hint = "mend that file, then the same again"


class NewerFormatError(PreconditionError):
    """A record was written by a newer gitexp."""

    id = "newer-format"
    hint = "pip install --upgrade gitexp"


class BadMetricError(PreconditionError):
    """A metric is missing, or is not a finite number."""

    id = "bad-metric"


class PreflightError(PreconditionError):
    """A run would fail, or would not mean what it says; found before anything was executed."""

    id = "preflight"


class EvaluatorError(PreflightError):
    """The candidate is measured otherwise than its plan's baseline: no effect could be told."""

    id = "evaluator"


class OtherEnvironmentError(PreflightError):
    """A seed's repeat would run elsewhere than one that binds it, or that had shown a score."""

    id = "other-environment"
    hint = "install what it ran with; where nobody can, gitexp amend-plan goes on with other seeds"


class OtherOutputError(PreconditionError):
    """A stage that runs once under a plan, whatever the seed, has made other bytes this time."""

    id = "other-output"
    hint = (
        "gitexp push where they were made and gitexp pull --data here; if nobody has them, make "
        "the stage give the same each time, on the baseline, too, and gitexp amend-plan"
    )


class IdleSeedError(PreconditionError):
    """The seed does not act, so that further repeats would be copies; those made are recorded."""

    id = "idle-seed"


class ImportPathError(PreflightError):
    """Code or data would come from the user's work tree, not from the folder of the repeat."""

    id = "import-path"


class WitnessError(PreconditionError):
    """Nobody else saw the plan, or a witness could not be asked."""

    id = "not-witnessed"
    hint = "gitexp witness --push, or --rfc3161"


class NoSpaceError(PreconditionError):
    """The disk is full, or a limit on file sizes was met; nothing was recorded."""

    id = "no-space"
    hint = "free some space, then gitexp run --resume"


class OutputError(PreconditionError):
    """The answer cannot be written to standard output."""

    id = "output"
    hint = "send the answer somewhere else, then call the command again"


class ReadOnlyError(PreconditionError):
    """The repository cannot be written to."""

    id = "read-only"
    hint = "make it writable, then the same again"


class LockedError(PreconditionError):
    """Another process holds a lock for longer than we wait."""

    id = "locked"
    hint = "try again; if no process is left, gitexp doctor"


class KilledCallError(PreconditionError):
    """Repeats of a killed call wait to be recorded, and this call asks for something else."""

    id = "killed-call"


class BusyBranchError(PreconditionError):
    """A rebase of the branch has not ended, or a worktree is on a branch that is to go."""

    id = "busy-branch"
    hint = "git rebase --continue, or --abort"


class GitFailedError(PreconditionError):
    """Git refused a command that gitexp needs."""

    id = "git-failed"


class DvcFailedError(PreconditionError):
    """DVC refused a command that gitexp needs."""

    id = "dvc-failed"


class DesignError(PreconditionError):
    """The comparison cannot be tested as asked."""

    id = "design"


class CommentFailedError(PreconditionError):
    """The comment on a pull request could not be written."""

    id = "comment-failed"


class MovedRefError(GitexpError):
    """A branch was moved, deleted or created meanwhile; nothing was written."""

    id = "moved-ref"
    exit_code = 4
    hint = "look at the branch, then run the command again"


class CommandFailedError(GitexpError):
    """The project's own command failed; the failure is recorded."""

    id = "command-failed"
    exit_code = 5
    hint = "gitexp logs"


class BugError(GitexpError):
    """Something that gitexp did not expect; a log file says what."""

    id = "bug"
    hint = "please report it together with that file"
