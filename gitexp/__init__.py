"""Git-native experiments: record a hypothesis, run it, compare commits honestly.

Every verb of the command line is a function here: ``gitexp.compare``, ``gitexp.run``. Each
takes a workspace first, which ``gitexp.open`` finds; a name is imported when it is used.

>>> import gitexp
>>> gitexp.__version__.count(".")
2
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # as type checkers read it; importing typing costs a third of --version
if TYPE_CHECKING:
    from gitexp.comparison.compare import CompareOptions, compare
    from gitexp.comparison.power import power
    from gitexp.enforcement.check import check
    from gitexp.enforcement.review import review
    from gitexp.execution.run import run
    from gitexp.execution.until import until_decided
    from gitexp.experiments.amend_plan import amend_plan
    from gitexp.experiments.archive import archive, restore
    from gitexp.experiments.conclude import conclude
    from gitexp.experiments.init import init
    from gitexp.experiments.new import new
    from gitexp.experiments.remove import remove
    from gitexp.experiments.rename import rename
    from gitexp.experiments.witness import witness
    from gitexp.git.discovery import discover as open  # noqa: A004  as in `gitexp.open(".")`
    from gitexp.model.design import PowerRequest
    from gitexp.model.plan import Terms
    from gitexp.model.request import InitRequest, NewRequest, RunRequest
    from gitexp.model.witness import Way
    from gitexp.report import frame
    from gitexp.sharing.push_pull import pull, push, sync
    from gitexp.system.live import log_metric, params
    from gitexp.upkeep.doctor import doctor
    from gitexp.upkeep.maintenance import maintenance
    from gitexp.views.diff import diff, inputs
    from gitexp.views.list_runs import group_runs, list_experiments, list_runs
    from gitexp.views.logs import logs
    from gitexp.views.query import ListQuery, parse_condition
    from gitexp.views.show import show
    from gitexp.views.status import status

_PLACES = {
    "CompareOptions": "gitexp.comparison.compare",
    "InitRequest": "gitexp.model.request",
    "ListQuery": "gitexp.views.query",
    "NewRequest": "gitexp.model.request",
    "PowerRequest": "gitexp.model.design",
    "RunRequest": "gitexp.model.request",
    "Terms": "gitexp.model.plan",
    "Way": "gitexp.model.witness",
    "amend_plan": "gitexp.experiments.amend_plan",
    "archive": "gitexp.experiments.archive",
    "check": "gitexp.enforcement.check",
    "compare": "gitexp.comparison.compare",
    "conclude": "gitexp.experiments.conclude",
    "diff": "gitexp.views.diff",
    "doctor": "gitexp.upkeep.doctor",
    "group_runs": "gitexp.views.list_runs",
    "init": "gitexp.experiments.init",
    "inputs": "gitexp.views.diff",
    "list_experiments": "gitexp.views.list_runs",
    "list_runs": "gitexp.views.list_runs",
    "log_metric": "gitexp.system.live",
    "logs": "gitexp.views.logs",
    "maintenance": "gitexp.upkeep.maintenance",
    "new": "gitexp.experiments.new",
    "params": "gitexp.system.live",
    "parse_condition": "gitexp.views.query",
    "power": "gitexp.comparison.power",
    "pull": "gitexp.sharing.push_pull",
    "push": "gitexp.sharing.push_pull",
    "remove": "gitexp.experiments.remove",
    "rename": "gitexp.experiments.rename",
    "restore": "gitexp.experiments.archive",
    "review": "gitexp.enforcement.review",
    "run": "gitexp.execution.run",
    "show": "gitexp.views.show",
    "status": "gitexp.views.status",
    "sync": "gitexp.sharing.push_pull",
    "until_decided": "gitexp.execution.until",
    "witness": "gitexp.experiments.witness",
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
