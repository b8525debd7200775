"""What earlier releases wrote is read as it was: their records, repositories and answers.

``tests/fixtures/*/`` has one set a release, written by that release (``tests/fixtures/write.py``);
every set that is there is read. An answer that is meant to differ today is a row of ``INTENDED``.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import io
import json
import math
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.cli import main
from gitexp.model.comparison import Conclusion
from gitexp.model.job import Job, Outcome
from gitexp.model.run import Environment, Run
from gitexp.model.sharing import Tombstone
from gitexp.model.witness import Receipt
from gitexp.records import codec, config, plan
from gitexp.text import points, samples
from tests.fixtures import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

# What answers differently today, and why: {"PROJECT COMMAND PATH": reason}. PATH is that of a value
# in the JSON, "runs[0].state", and stands for what lies below it, too; "exit" is the exit code. "*"
# is any text: "* status counts" is that value of every `status`. A row that excuses nothing is
# refused, and so is one for a value of BINDING that does not spell out its end.
INTENDED: dict[str, str] = {
    "* compare *scope": "of what the decision speaks is said",
    "* review *comparison.scope": "as compare",
    "* compare *isolation": "whether repeats were observed is said",
    "* review *comparison.isolation": "as compare",
    "* diff * metrics[*].better": "which way is better is said where it is known",
    "* compare steady metrics[3]": "a metric that is constant on both sides gets no test",
    "* compare steady metrics[2].p_adjusted": "and is no chance that the others pay for",
    "* compare *next_step": "conclude wants words, and the command is one that is taken",
    "* review *comparison.next_step": "as compare",
    "* compare *words": "what its author concluded is in every report",
    "* runs[*].counts": "which of a run's repeats count, by the rule of compare",
    "* list --runs* runs[*].exploratory": "a run under a plan that was amended is under none now",
    "* status not_counted": "why repeats do not count",
    "* status failed": "what failed is said",
    "pipeline show *failed": "by show, too",
    "pipeline compare *warnings[1]": "one seed is not told as seeds",
    "pipeline show *runs[1].exploratory": "a baseline's run that counts is not",
    "pipeline status next": "after a failure, not the call that failed",
    "* list --runs --group-by * groups[*].counts": "whether these repeats count",
    "* list --runs --group-by * groups[5].*": "a group is described by its repeats that count",
    "* list --runs --group-by * groups[5].metrics[*].n": "of which one did not",
    "* power *assumed*": "a plan that has results is asked about as it stands, not as its next try",
    "* power *again": "what a next try pays, which the numbers beyond the planned ones are of",
    "pipeline compare main *detectable": "it pays for all candidates of the call",
    "* power gain needed": "so it pays for no try before it",
    "* power gain reached": "nor does this",
    "* power gain detectable": "nor this",
    "folds power gain spread": "as the corrected t over folds has it, which decides",
    "collapsing compare large headline": "the number that would do pays for siblings",
    "collapsing compare large reasons[0]": "as there",
    "collapsing review *comparison.headline": "as there",
    "collapsing review *comparison.reasons[0]": "as there",
    "pipeline compare *headline": "as there",
    "pipeline compare *reasons[0]": "as there",
    "* power gain support": "how likely a yes is",
    "* power gain price.*": "of the repeats that may say yes, not of those that may say no",
    "* power *next": "the plan to type repeats what was asked about",
    "pipeline run --dry-run --with-baseline found": "that nothing was changed is said",
    "pipeline check exp-archive/faster branch": "the tag of an archive names its experiment",
    "pipeline check exp-archive/faster notes": "so that nothing was left out",
    "pipeline check exp-archive/faster plans": "and its plan is looked at",
    "plain status notes": "outputs that a switch left out are named",
    "pipeline compare main *.across.*": "the test of several joins equal samples of the baseline",
    "pipeline compare main *.across.metrics[*].groups[*].n": "so it has one more of each",
    "* compare *detectable.*": "what a design finds pays for siblings and tries, as its p does",
    "* review *comparison.detectable.*": "as compare",
    "collapsing list experiments[0].collapsed": "what failed by the plan's rule is said",
    "collapsing list experiments[0].finished": "and counts as compare has it: not",
    "collapsing list experiments[0].primary.mean": "a mean is not over good and bad runs",
    "collapsing list experiments[0].primary.n": "nor",
    "collapsing list experiments[0].primary.sd": "nor",
    "collapsing status *counted": "nor by status",
    "collapsing power large detectable": "power leaves out with its pair what compare does",
    "collapsing power large spread": "as there",
    "collapsing power large support.*": "as there",
    "pipeline power *": "the spread is that of the baseline's repeats that count",
}

# What a verdict stands on.
BINDING = (
    "exit", "verdict", "inputs", "digest", "plan", "environment", "evaluation", "seeds", "pairs",
    "counting", "spent", "n", "n_baseline", "n_candidate",
)  # fmt: skip

SETS = sorted(path.parent for path in write.FIXTURES.glob("*/records"))
BUNDLES = [(folder, path.stem) for folder in SETS for path in sorted(folder.glob("*.bundle"))]
IDS = [f"{folder.name}-{project}" for folder, project in BUNDLES]


# --- records -------------------------------------------------------------------------------------


def again(kind: type[object]) -> Callable[[bytes, str], bytes]:
    return lambda data, where: codec.dump(codec.load(kind, data, where))


def csv(data: bytes, where: str) -> bytes:
    rows = data.count(b"\n") - 1
    return samples.dump(
        samples.load(data, where, rows=rows, sha256=hashlib.sha256(data).hexdigest())
    )


def read_points(data: bytes) -> None:
    assert None not in [points.decode(line) for line in data.splitlines()]


# By the end of the name. What people edit (config) or scripts print (points) is read only.
READERS: dict[str, Callable[[bytes, str], bytes | None]] = {
    "run.json": again(Run),
    "samples.csv": csv,
    "environment.json": again(Environment),
    "JOB.json": again(Job),
    "outcome.json": again(Outcome),
    "experiments*.yaml": lambda data, where: codec.dump(plan.load(data, where)),
    "conclusions*.yaml": again(Conclusion),
    "tombstones*.yaml": again(Tombstone),
    "witness*": again(Receipt),
    "config.yaml": lambda data, where: config.load(data, where) and None,
    "points.jsonl": lambda data, _: read_points(data),
}


def reread(name: str, data: bytes) -> None:
    """Read a record as its name says, and hold what would be written of it against its bytes."""
    (kind,) = [kind for kind in READERS if fnmatch.fnmatch(name, f"*{kind}")]
    again = READERS[kind](data, name)
    assert again is None or again == data, name


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_each_kind_of_record_is_read_and_written_as_it_was(folder: Path) -> None:
    records = [path for path in (folder / "records").iterdir() if path.suffix != ".sqlite"]
    for path in records:
        reread(path.name, path.read_bytes())
    missing = [
        kind for kind in READERS if not any(fnmatch.fnmatch(r.name, f"*{kind}") for r in records)
    ]
    assert not missing


@pytest.mark.parametrize(("folder", "project"), BUNDLES, ids=IDS)
def test_every_record_in_a_repository_is_read_and_written_as_it_was(
    folder: Path, project: str, tmp_path: Path
) -> None:
    write.unpack(folder, project, tmp_path / "r")
    found: dict[str, str] = {}
    for ref in git(tmp_path / "r", "for-each-ref", "--format=%(refname)").decode().split():
        for line in git(tmp_path / "r", "ls-tree", "-r", "-z", ref).decode().split("\0")[:-1]:
            entry, name = line.split("\t")
            if any(fnmatch.fnmatch(name, kind) for kind in write.KINDS):
                found[entry.split()[2]] = name
    assert found
    for blob, name in found.items():
        reread(name, git(tmp_path / "r", "cat-file", "blob", blob))


def git(where: Path, *argv: str) -> bytes:
    return subprocess.run(["git", *argv], cwd=where, capture_output=True, check=True).stdout


# --- answers -------------------------------------------------------------------------------------


def ask(where: Path, argv: list[str]) -> tuple[int, object]:
    """Ask today's program, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.main(["-C", str(where), *argv, "--json"])
    assert out.getvalue(), (argv, code, err.getvalue())
    return code, write.normalised(json.loads(out.getvalue()), where)


def compared(old: object, new: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield the path of each value that differs, and how."""
    match old, new:
        case (dict(), dict()):
            for key in sorted(old.keys() | new.keys()):
                place = f"{path}.{key}" if path else key
                if key not in new:
                    yield place, f"{old[key]!r} is gone"
                elif key not in old:
                    yield place, f"{new[key]!r} is new"
                else:
                    yield from compared(old[key], new[key], place)
        case (list(), list()) if len(old) == len(new):
            for number, pair in enumerate(zip(old, new, strict=True)):
                yield from compared(*pair, f"{path}[{number}]")
        case (float() | int(), float() | int()) if not isinstance(old, bool):
            # Of scipy's noncentral t, six digits are the same in all releases; a verdict is a word.
            if not math.isclose(old, new, rel_tol=1e-5, abs_tol=1e-12):
                yield path, f"{old!r} is {new!r}"
        case _ if old != new:
            yield path, f"{old!r} is {new!r}"


def excuse(place: str, rows: Iterable[str]) -> str | None:
    """Return the row that excuses a difference at a place, or None."""
    end = place.rpartition(" ")[2].rpartition(".")[2].partition("[")[0]
    for row in rows:
        pattern = ".*".join(re.escape(part) for part in row.split("*"))
        if re.fullmatch(rf"{pattern}([.\[].*)?", place):
            last = row.rpartition(" ")[2].rpartition(".")[2].partition("[")[0]
            if end not in BINDING or end == last:
                return row
    return None


@pytest.mark.slow
def test_every_answer_is_as_it_was(tmp_path: Path) -> None:
    changed, used = [], set()
    for folder, project in BUNDLES:
        place = tmp_path / folder.name / project
        write.unpack(folder, project, place)
        # The cache of that release lies there, as for everybody who updates; it decides nothing.
        (place / ".git/gitexp").mkdir()
        shutil.copy(folder / f"records/{project}-index.sqlite", place / ".git/gitexp/index.sqlite")
        for asked in json.loads((folder / f"{project}.json").read_text()):
            git(place, "switch", "--quiet", asked["branch"])
            code, answer = ask(place, asked["ask"])
            old = write.normalised(asked["answer"], place)
            for path, how in (
                *compared(asked["exit"], code, "exit"),
                *compared(old, answer, ""),
            ):
                where = f"{project} {' '.join(asked['ask'])} {path}"
                row = excuse(where, INTENDED)
                used.add(row)
                if row is None:
                    changed.append(f"{folder.name}, on {asked['branch']}: {where}: {how}")
    assert not changed, "\n".join(["not as it was, and in no row of INTENDED:", *changed])
    assert not INTENDED.keys() - used, "these rows of INTENDED excuse nothing"


def test_what_differs_is_found_and_only_a_row_for_it_excuses_it() -> None:
    old = {"verdict": "refuted", "runs": [{"n": 3, "note": "a"}], "gone": 1, "same": 0.1}
    new = {"verdict": "supported", "runs": [{"n": 4, "note": "b"}], "new": 2, "same": 0.1 + 1e-16}
    found = {f"p show x {path}" for path, _ in compared(old, new, "")}
    assert found == {
        f"p show x {path}" for path in ("verdict", "runs[0].n", "runs[0].note", "gone", "new")
    }

    def left(*rows: str) -> set[str]:
        return {place.rpartition(" ")[2] for place in found if excuse(place, rows) is None}

    assert left("* show * runs") == {"verdict", "runs[0].n", "gone", "new"}
    assert left("p show x *") == {"verdict", "runs[0].n"}
    assert left("* show * runs*.n", "* verdict", "* gone", "* new") == {"runs[0].note"}
    assert left("* status *", "other *") == left()
