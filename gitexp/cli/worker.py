"""`gitexp worker`: one job, as every engine starts it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.execution.engines import local
from gitexp.execution.worker import worker as work
from gitexp.model import compile_methods
from gitexp.model.config import ParamKey
from gitexp.model.job import Job, Outcome
from gitexp.model.run import Observed
from gitexp.records import codec
from gitexp.system import environment

if TYPE_CHECKING:
    import argparse

    from gitexp.cli.context import Context


def add_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB.json", help="path of JOB.json")
    parser.add_argument("out", metavar="OUT", help="folder of this attempt")


def worker(args: argparse.Namespace, context: Context) -> int:
    """`gitexp worker JOB.json OUT/`: what every engine starts, or forks from `serve`."""
    del context
    return work(Path(args.job), Path(args.out))


def serve() -> int:
    """Fork for each job that the engine writes to standard input."""
    codec.prepare(reads=(Job, environment.Kept), writes=(Outcome, environment.Kept))
    compile_methods("__init__")
    compile_methods("__eq__", of=(ParamKey, Observed))  # the two that each job compares
    return local.serve(fast)


def fast(argv: list[str]) -> int:
    """Execute the job without building a parser: a repeat's start-up is a repeat's cost."""
    job, out = argv
    try:
        return work(Path(job), Path(out))
    except GitexpError as error:  # the log is all that a coordinator will read of it
        from gitexp.cli.output import rows  # for this alone

        sys.stderr.write("".join(f"{row}\n" for row in rows(error)))
        return error.exit_code
