"""Attack: look at a score while its repeat works, and see to it that the repeat does not finish."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.model.config import Predictions
from gitexp.model.job import BEGUN, Outcome, OutKind, StageOut
from gitexp.model.run import RepeatState
from gitexp.records import codec
from tests.lab.jobs import ABOVE, METRICS, Bench, bench, stage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

LOG = "import gitexp; gitexp.log_metric('f1', 0.93); gitexp.flush()"
WORDS = "print('and so on\\n' * 9000)"
# How a score reaches whoever watches, by the code that shows it.
SHOWN = {
    "logged": LOG,
    "logged, not a number": LOG.replace("0.93", "float('nan')"),
    "logged as without gitexp": f"import os; del os.environ['GITEXP_POINTS']; {LOG}",
    "the points by hand": "import os; open(os.environ['GITEXP_POINTS'], 'a').write('f1 is high')",
    "printed": "print('f1', 0.93)",
    "printed long before": f"print(0.93); {WORDS}",
    "printed to stderr": "import sys; sys.stderr.write('0.93\\n')",
    "printed and wiped": "print('0.93\\rready')",
    "printed as code in a traceback is": "print('    0.93')",
    "printed as a command is": "print('> 0.93')",
    "the metrics file": "open('metrics.json', 'w').write('{}')",
    "another metrics file": "open('more.json', 'w').write('{}')",
    "a plot": "open('roc.csv', 'w').write('x')",
    "a curve": "open('loss.csv', 'w').write('x')",
    "predictions": "open('predictions.csv', 'w').write('x')",
    "a folder of DVCLive": "import os; os.mkdir('dvclive'); open('dvclive/metrics.json', 'w')",
}
HIDDEN = {
    "nothing": "pass",
    "words": WORDS,
    "a model": "open('model.pkl', 'w').write('x')",
}
ENDS = {
    "failed": "raise ValueError('no')",
    "failed behind its commands": "pass",  # outputs are missing
    "cancelled": "os.kill(worker, 15); time.sleep(60)",
    "lost": "os.kill(worker, 9); time.sleep(60)",
}
OUTS = (
    METRICS,
    StageOut("more.json", OutKind.METRIC, cache=False),
    StageOut("roc.csv", OutKind.PLOT),
    StageOut("model.pkl"),
)


@pytest.fixture
def place(repo: BuiltRepo, tmp_path: Path) -> Bench:
    repo.commit({"a": ""})
    return bench(repo, tmp_path)


def ended(place: Bench, code: str, end: str) -> Outcome:
    """Return what is recorded of a repeat that shows something, and ends."""
    folder = place.root / "code"
    folder.mkdir()
    (folder / "x.py").write_text(f"import sys, time\n{ABOVE}{code}\nsys.stdout.flush()\n{end}\n")
    job = place.job(
        stage(f"{sys.executable} {folder}/x.py", outs=OUTS),
        curves=("loss.csv",),
        predictions=Predictions("predictions.csv"),
    )
    place.start(job).wait()
    path = place.out() / BEGUN if "kill(worker, 9)" in end else place.out() / "outcome.json"
    return codec.load(Outcome, path.read_bytes(), str(path))


@pytest.mark.sweep(9)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("channel", SHOWN)
def test_a_score_that_anybody_could_have_seen_is_recorded_as_seen(
    channel: str, end: str, place: Bench
) -> None:
    found = ended(place, SHOWN[channel], ENDS[end])
    assert found.state in {RepeatState.FAILED, RepeatState.CANCELLED, RepeatState.LOST}
    assert found.seen


@pytest.mark.sweep
@pytest.mark.parametrize("channel", HIDDEN)
@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_typo_and_a_look_at_nothing_cost_nothing(channel: str, end: str, place: Bench) -> None:
    found = ended(place, HIDDEN[channel], ENDS[end])
    assert found.state in {RepeatState.FAILED, RepeatState.CANCELLED}
    assert not found.seen
