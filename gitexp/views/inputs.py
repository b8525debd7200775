"""Say why two states do, or do not, share samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.dvc import inputs as inputs_rules
from gitexp.git import merging as git_diff
from gitexp.git import repository
from gitexp.git.transaction.cache import open_index
from gitexp.git.transaction.layout import FOLDER
from gitexp.model.views import InputsReason, InputsView
from gitexp.store import lookup
from gitexp.views.named_states import two_states

if TYPE_CHECKING:
    from gitexp.model.workspace import Workspace
    from gitexp.store.lookup import FoundRun


def inputs(workspace: Workspace, a: str, b: str) -> InputsView:
    """Compare the inputs of two states.

    Parameters
    ----------
    workspace : Workspace
    a, b : str
        Experiments, branches or revisions.

    Returns
    -------
    InputsView
        `reasons` is empty if, and only if, the two share samples.

    Raises
    ------
    UnknownExperimentError
        If a name stands for nothing.
    BadFormatError, UnsafeInputError
        If a pipeline file, a params file or dvc.lock of a side cannot be read.
    """
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        left, right = two_states(repo, index, a, b)
        reasons = inputs_rules.explain(repo, left.tree, left.config, right.tree, right.config)
        wanted = {state.inputs for state in (left, right) if state.inputs is not None}
        found = lookup.runs_by_inputs(repo, *wanted, index=index, also=left.records | right.records)
    counted = {item.what.partition(":")[0] for item in reasons}
    if any(item.kind == "params" for item in reasons):  # reasons name keys, not files
        counted.update(left.config.params)
    project = f"{left.config.project}/" if left.config.project else ""
    changes = git_diff.changed_paths(repo, left.tree, right.tree)
    ignored = [
        change.path
        for change in changes
        if not change.path.startswith(f"{FOLDER}/")
        and change.path.removeprefix(project) not in counted
    ]

    def of(digest: str | None) -> tuple[FoundRun, ...]:
        return tuple(item for item in found if item.run.inputs == digest)

    notes = [*left.notes, *right.notes]
    notes += [f"run {item.id} cannot be read: {item.why}" for item in found.unreadable]
    if found.shallow:
        notes.append("this clone is shallow: older runs are not in it")
    return InputsView(
        a=left.shown(of(left.inputs)),
        b=right.shown(of(right.inputs)),
        reasons=tuple(InputsReason(item.kind, item.what, item.a, item.b) for item in reasons),
        ignored=tuple(ignored),
        runs_a=tuple(item.run.id for item in of(left.inputs)),
        runs_b=tuple(item.run.id for item in of(right.inputs)),
        notes=tuple(notes),
    )
