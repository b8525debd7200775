"""Git-native experiments: record a hypothesis, run it, compare commits honestly.

The Python API is the room of verbs: ``gitexp.compare`` is ``gitexp.ops.compare.compare``. Every
verb takes a workspace first, which ``gitexp.open`` finds; a name is imported when it is used.

>>> import gitexp
>>> gitexp.__version__.count(".")
2
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # as type checkers read it; importing typing costs a third of --version
if TYPE_CHECKING:
    from gitexp.git.discovery import discover as open  # noqa: A004  as in `gitexp.open(".")`
    from gitexp.model.amended import Terms
    from gitexp.model.power import PowerRequest
    from gitexp.model.proposal import NewRequest
    from gitexp.model.request import RunRequest
    from gitexp.model.setup import InitRequest
    from gitexp.model.witness import Way
    from gitexp.ops.amend_plan import amend_plan
    from gitexp.ops.archive import archive
    from gitexp.ops.check import check
    from gitexp.ops.compare import CompareOptions, compare
    from gitexp.ops.conclude import conclude
    from gitexp.ops.diff import diff
    from gitexp.ops.doctor import doctor
    from gitexp.ops.init import init
    from gitexp.ops.inputs import inputs
    from gitexp.ops.list_runs import group_runs, list_experiments, list_runs
    from gitexp.ops.logs import logs
    from gitexp.ops.maintenance import maintenance
    from gitexp.ops.new import new
    from gitexp.ops.power import power
    from gitexp.ops.pull import pull
    from gitexp.ops.push import push
    from gitexp.ops.query import ListQuery, parse_condition
    from gitexp.ops.remove import remove
    from gitexp.ops.rename import rename
    from gitexp.ops.restore import restore
    from gitexp.ops.review import review
    from gitexp.ops.run import run
    from gitexp.ops.show import show
    from gitexp.ops.status import status
    from gitexp.ops.sync import sync
    from gitexp.ops.until import until_decided
    from gitexp.ops.witness import witness
    from gitexp.report import frame
    from gitexp.staging.live import log_metric, params

_PLACES = {
    "CompareOptions": "gitexp.ops.compare",
    "InitRequest": "gitexp.model.setup",
    "ListQuery": "gitexp.ops.query",
    "NewRequest": "gitexp.model.proposal",
    "PowerRequest": "gitexp.model.power",
    "RunRequest": "gitexp.model.request",
    "Terms": "gitexp.model.amended",
    "Way": "gitexp.model.witness",
    "amend_plan": "gitexp.ops.amend_plan",
    "archive": "gitexp.ops.archive",
    "check": "gitexp.ops.check",
    "compare": "gitexp.ops.compare",
    "conclude": "gitexp.ops.conclude",
    "diff": "gitexp.ops.diff",
    "doctor": "gitexp.ops.doctor",
    "group_runs": "gitexp.ops.list_runs",
    "init": "gitexp.ops.init",
    "inputs": "gitexp.ops.inputs",
    "list_experiments": "gitexp.ops.list_runs",
    "list_runs": "gitexp.ops.list_runs",
    "log_metric": "gitexp.staging.live",
    "logs": "gitexp.ops.logs",
    "maintenance": "gitexp.ops.maintenance",
    "new": "gitexp.ops.new",
    "params": "gitexp.staging.live",
    "parse_condition": "gitexp.ops.query",
    "power": "gitexp.ops.power",
    "pull": "gitexp.ops.pull",
    "push": "gitexp.ops.push",
    "remove": "gitexp.ops.remove",
    "rename": "gitexp.ops.rename",
    "restore": "gitexp.ops.restore",
    "review": "gitexp.ops.review",
    "run": "gitexp.ops.run",
    "show": "gitexp.ops.show",
    "status": "gitexp.ops.status",
    "sync": "gitexp.ops.sync",
    "until_decided": "gitexp.ops.until",
    "witness": "gitexp.ops.witness",
}

__all__ = [
    "CompareOptions",
    "InitRequest",
    "ListQuery",
    "NewRequest",
    "PowerRequest",
    "RunRequest",
    "Terms",
    "Way",
    "__version__",
    "amend_plan",
    "archive",
    "check",
    "compare",
    "conclude",
    "diff",
    "doctor",
    "frame",
    "group_runs",
    "init",
    "inputs",
    "list_experiments",
    "list_runs",
    "log_metric",
    "logs",
    "maintenance",
    "new",
    "open",
    "params",
    "parse_condition",
    "power",
    "pull",
    "push",
    "remove",
    "rename",
    "restore",
    "review",
    "run",
    "show",
    "status",
    "sync",
    "until_decided",
    "witness",
]


def __getattr__(name: str) -> object:
    """Import a name of the API when it is first used (PEP 562)."""
    import importlib

    if name == "open":
        found: object = importlib.import_module("gitexp.git.discovery").discover
    elif name == "frame":
        found = importlib.import_module("gitexp.report.frame")
    elif name in _PLACES:
        found = getattr(importlib.import_module(_PLACES[name]), name)
    else:
        raise AttributeError(f"module 'gitexp' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the API and what is imported already."""
    return sorted({*globals(), *__all__})
