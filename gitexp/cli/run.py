"""`gitexp run`: repeats, with their progress and what stops them."""

from __future__ import annotations

import argparse
import contextlib
import math
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import gitexp
from gitexp import __version__
from gitexp.cli.context import between, filled, whole_number
from gitexp.cli.output import safe
from gitexp.cli.printing import show
from gitexp.errors import KilledCallError, UntrustedSourceError, UsageError
from gitexp.model import dataclass, field
from gitexp.model.report import ProgressKind
from gitexp.model.request import RunRequest
from gitexp.report.numbers import duration
from gitexp.text.foreign import one_line
from gitexp.text.params import parse_assignment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from gitexp.cli.context import Context
    from gitexp.cli.output import Printer
    from gitexp.model.report import ProgressEvent, RunReport

EXIT_COMMAND_FAILED = 5
EXIT_INTERRUPTED = 130
_MAX_SEEDS = 100_000
_seconds = between(0, math.inf, "number of seconds above 0")


def add_run(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to run").add_argument
    what("--repeats", type=whole_number, metavar="N", help="repeats that shall count")
    what("--seeds", type=seeds, default=(), metavar="LIST", help="1,2,5-9")
    what("--param", action="append", default=[], metavar="KEY=VALUE", help="override a parameter")
    what("--group", default="", metavar="NAME", help="the sweep that these runs are part of")
    what("--with-baseline", action="store_true", help="the baseline too, same seeds")
    what(
        "--until-decided", action="store_true", help="both sides, look by look, as the plan allows"
    )
    what(
        "--max-repeats",
        type=whole_number,
        metavar="N",
        help="with it: give up after N (the plan's)",
    )
    what("--at", metavar="REV", help="run this revision instead of HEAD")
    what("--trust", action="store_true", help="--at may be somebody else's commit")
    what("--on", metavar="BRANCH", help="record on this branch")
    what("--again", action="store_true", help="also what counts; a killed call ends")
    what("--holdout", action="store_true", help="no job: gitexp.holdout scores what repeats keep")
    what("--commit", action="store_true", help="commit changes and overrides first")
    what("-m", dest="message", metavar="MESSAGE", help="message for --commit")
    how = parser.add_argument_group("how").add_argument
    how("--jobs", "-j", type=whole_number, default=1, metavar="N", help="at once")
    how("--engine", default="local", metavar="NAME", help="where jobs run")
    how("--timeout", type=_seconds, metavar="SECONDS", help="limit of one repeat")
    how(
        "--keep-going",
        action="store_true",
        help="past a failed repeat, an idle seed, other test data",
    )
    how("--resume", action="store_true", help="record and finish what died")
    how("--dry-run", action="store_true", help="say what would be run")


def run(args: argparse.Namespace, context: Context) -> int:
    """Execute repeats of the committed project, each in its own worktree, and record them.

    Without options it makes the repeats that the plan of this branch still lacks. On a branch
    without a plan the run is exploratory: it never counts for a candidate; an experiment that
    begins there may count it for its baseline. With --until-decided the exit code is that of the
    verdict, as `compare` has it. What a killed call had begun is recorded first; if
    it had finished repeats of another state, that is asked about.
    """
    if args.commit != (args.message is not None):
        raise UsageError(
            "--commit and -m MESSAGE belong together",
            next_step='gitexp run --commit -m "what changed"',
        )
    if args.max_repeats is not None and not args.until_decided:
        raise UsageError(
            "--max-repeats belongs to --until-decided",
            next_step=f"gitexp run --until-decided --max-repeats {args.max_repeats}",
        )
    request = filled(
        RunRequest,
        args,
        params=tuple(parse_assignment(text) for text in args.param),
        timeout_s=args.timeout,
        commit_message=args.message,
    )
    try:
        report = _run(request, args, context)
    except (UntrustedSourceError, KilledCallError) as error:
        if not context.interactive:
            raise
        context.printer.error(error)
        untrusted = isinstance(error, UntrustedSourceError)
        if not context.ask("Execute it?" if untrusted else "Record them and finish that call?"):
            return error.exit_code
        # What is asked for now is another state's: it waits until that call has ended.
        resumed = RunRequest(resume=True, jobs=args.jobs, on=args.on, keep_going=args.keep_going)
        report = _run(replace(request, trust=True) if untrusted else resumed, args, context)
    show(report, context)
    return exit_code(report)


def _run(request: RunRequest, args: argparse.Namespace, context: Context) -> RunReport:
    reporter = Reporter(context.printer, live=context.printer.err.isatty())
    with counted(context.printer.say) as interrupts:

        def once(asked: RunRequest) -> RunReport:
            return gitexp.run(
                context.workspace(),
                asked,
                environ=context.environ,
                tell=reporter,
                interrupts=interrupts,
                program=f"gitexp {__version__}",
            )

        try:
            if not args.until_decided:
                return once(request)
            # by its name in the API, which is imported when it is used: statistics are slow to load
            return gitexp.until_decided(
                context.workspace(), request, run=once, most=args.max_repeats
            )
        finally:
            reporter.close()


def exit_code(report: RunReport) -> int:
    """Return 130 if interrupted, 5 if a repeat did not finish, 3 if no seed acts.

    Else 0, or with --until-decided the answer of the last look, as `compare` has it.
    """
    if report.interrupted:
        return EXIT_INTERRUPTED
    if report.failed:
        return EXIT_COMMAND_FAILED
    return report.exit_code if report.stopped is None else report.stopped.exit_code


def seeds(text: str) -> tuple[int, ...]:
    """Read a list of seeds.

    Examples
    --------
    >>> seeds("1,2,5-9")
    (1, 2, 5, 6, 7, 8, 9)
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise argparse.ArgumentTypeError(f"{part!r} is no seed; expected 1,2,5-9")
        low, high = int(first), int(last or first)
        if high < low or high - low >= _MAX_SEEDS:
            raise argparse.ArgumentTypeError(f"{part!r} is no range of seeds")
        found.extend(range(low, high + 1))
    return tuple(dict.fromkeys(found))


_GOING_ON = frozenset((ProgressKind.STARTED, ProgressKind.STAGE, ProgressKind.LOGGED))


@dataclass(slots=True)
class Reporter:
    """Takes events in their order."""

    printer: Printer
    live: bool
    _running: dict[str, str] = field(default_factory=dict)
    _last: str = ""

    def __call__(self, event: ProgressEvent) -> None:
        """Show one event."""
        if self.printer.quiet:
            return
        if event.kind in _GOING_ON:
            self._running[event.label] = ", ".join(filter(None, (event.stage, event.value)))
        elif event.kind in {ProgressKind.FINISHED, ProgressKind.FAILED}:
            self._running.pop(event.label, None)
            self._last = event.value or self._last
        if self.live:
            self._draw(event)
        elif event.kind not in _GOING_ON:
            self.printer.say(_line(event))

    def close(self) -> None:
        """Take the live line away."""
        if self.live and not self.printer.quiet:
            self.printer.talk("\r\x1b[K")

    def _draw(self, event: ProgressEvent) -> None:
        lasting = {ProgressKind.FAILED, ProgressKind.WARNING}
        if event.kind in lasting:
            self.printer.talk(f"\r\x1b[K{safe(one_line(_line(event)))}\n")
        parts = [f"{event.done}/{event.total}"] if event.total else [event.message]
        for label, stage in self._running.items():
            parts.append(f"{label}: {stage}" if stage else label)
        if self._last:
            parts.append(self._last)
        if event.eta_s is not None and event.done < event.total:
            parts.append(f"{duration(event.eta_s)} left")
        width = shutil.get_terminal_size().columns - 1
        self.printer.talk("\r\x1b[K" + safe(" | ".join(parts))[:width])


def _line(event: ProgressEvent) -> str:
    match event.kind:
        case ProgressKind.FINISHED:
            tail = "" if event.eta_s is None else f", {duration(event.eta_s)} left"
            value = f": {event.value}" if event.value else ""
            return f"{event.done}/{event.total} {event.label}{value}{tail}"
        case ProgressKind.FAILED:
            where = f" in {event.stage}" if event.stage else ""
            return (
                f"{event.done}/{event.total} {event.label} did not finish{where}: {event.message}"
            )
        case ProgressKind.WARNING:
            return f"warning: {event.message}"
        case _:
            return event.message


@contextlib.contextmanager
def counted(said: Callable[[str], None]) -> Iterator[Callable[[], int]]:
    """Count SIGINT and SIGTERM, of which the third ends the process; give the count."""
    times = 0
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def count(number: int, frame: FrameType | None) -> None:
        nonlocal times
        del frame
        times += 1
        match times:
            case 1:
                said("stopping: finished repeats are kept; press Ctrl-C again to kill")
            case 2:
                said("killing what still runs")
            case _:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)

    for each in (signal.SIGINT, signal.SIGTERM):
        before[each] = signal.signal(each, count)
    try:
        yield lambda: times
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
