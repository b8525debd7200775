from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.errors import BadMetricError, GitexpError, PreconditionError
from gitexp.system import curves, live
from gitexp.text import points

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.text.points import Point
    from tests.lab.build import BuiltRepo

ROOT = __file__.rsplit("/", 3)[0]
RANKS = (
    *("RANK", "LOCAL_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"),
    *("MV2_COMM_WORLD_RANK", "HOROVOD_RANK", "JSM_NAMESPACE_RANK", "JAX_PROCESS_ID"),
)


def run(script: Path, **env: str) -> str:
    known = {name: text for name, text in os.environ.items() if name not in RANKS}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=script.parent,
        env=known | {"PYTHONPATH": ROOT} | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def logged(file: Path) -> list[Point]:
    found = [points.decode(line) for line in file.read_bytes().splitlines()]
    assert None not in found
    return [point for point in found if point is not None]


def test_points_of_a_script_and_its_forks_arrive_in_the_file(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import os\n"
        "from gitexp.system.live import log_metric\n"
        "log_metric('loss', 1, step=0)\n"
        "log_metric('loss', float('nan'), step=1)\n"
        "if os.fork() == 0:\n"
        "    log_metric('child', 2.5)\n"
        "    raise SystemExit\n"
        "os.wait()\n"
    )
    file = tmp_path / "points.jsonl"
    run(script, GITEXP_POINTS=str(file))
    found = logged(file)
    assert sorted((p.name, p.value, p.step) for p in found if p.value is not None) == [
        ("child", 2.5, None),
        ("loss", 1.0, 0),
    ]
    assert len(found) == 3


def test_children_that_end_without_atexit_lose_nothing_and_threads_neither(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import multiprocessing, threading\n"
        "from gitexp.system.live import log_metric\n"
        "def child(n):\n"
        "    for step in range(100):\n"
        "        log_metric(f'child{n}', step, step)\n"
        "def thread(n):\n"
        "    for step in range(2000):\n"
        "        log_metric(f'thread{n}', step, step)\n"
        "if __name__ == '__main__':\n"
        "    log_metric('mine', 1)\n"
        "    context = multiprocessing.get_context('fork')\n"
        "    others = [context.Process(target=child, args=(n,)) for n in range(2)]\n"
        "    [other.start() for other in others]\n"
        "    threads = [threading.Thread(target=thread, args=(n,)) for n in range(2)]\n"
        "    [thread.start() for thread in threads]\n"
        "    [each.join() for each in (*others, *threads)]\n"
    )
    file = tmp_path / "points.jsonl"
    run(script, GITEXP_POINTS=str(file))
    counts = Counter(point.name for point in logged(file))
    assert counts == {"mine": 1, "child0": 100, "child1": 100, "thread0": 2000, "thread1": 2000}


def test_without_gitexp_each_execution_writes_its_curves_anew_into_a_folder_that_ignores_itself(
    repo: BuiltRepo,
) -> None:
    repo.commit({"train.py": BY_HAND})
    for last in ("0.5", "0.25"):
        run(repo.path / "train.py", LAST=last)
        folder = repo.path / "gitexp-points" / "curves"
        text = (folder / "loss/train.csv").read_text()
        assert text == f'name,step,value\n"loss/train",0,1.0\n"loss/train",10,{last}\n'
    assert (folder / "f1.csv").read_text() == 'name,step,value\n"f1",0,0.8\n"f1",1,\n'
    assert (folder / "child.csv").read_text().count("\n") == 3
    assert repo.status() == []
    found = curves.read(repo.path, ["gitexp-points/curves/loss/train.csv"], seed=0)
    assert [sample.value for sample in found.samples] == [0.25, 0.625]


BY_HAND = """\
import os, subprocess, sys
import gitexp
if len(sys.argv) > 1:
    gitexp.log_metric("child", 2)
else:
    gitexp.log_metric("loss/train", 1, step=0)
    gitexp.log_metric("loss/train", float(os.environ["LAST"]), step=10)
    gitexp.log_metric("f1", 0.8)
    gitexp.log_metric("f1", float("inf"))
    for _ in range(2):
        subprocess.run([sys.executable, __file__, "child"], check=True)
"""


@pytest.mark.slow
def test_dvc_plots_what_was_logged_without_gitexp(dvc_repo: BuiltRepo) -> None:
    dvc_repo.write({"train.py": BY_HAND})
    run(dvc_repo.path / "train.py", LAST="0.5")
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "plots", "show", "--json", "-x", "step", points.FOLDER],
        cwd=dvc_repo.path,
        capture_output=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert "errors" not in answer
    (plot,) = answer["data"][f"{points.FOLDER}/loss/train.csv"]
    drawn = [(row["step"], row["value"]) for row in plot["content"]["data"]["values"]]
    assert drawn == [("0", "1.0"), ("10", "0.5")]


@pytest.mark.parametrize(
    ("variables", "logs"),
    [
        ({}, True),
        *(({name: "0"}, True) for name in RANKS),
        *(({name: "1"}, False) for name in RANKS),
        ({"RANK": "0", "LOCAL_RANK": "3", "SLURM_PROCID": "1"}, True),
        ({"RANK": "8", "LOCAL_RANK": "0", "SLURM_PROCID": "0"}, False),
        ({"LOCAL_RANK": "0", "SLURM_PROCID": "8"}, False),
        ({"LOCAL_RANK": "1", "SLURM_PROCID": "0"}, False),
        ({"LOCAL_RANK": "-1"}, True),
        ({"RANK": "A", "PMI_RANK": "2"}, False),
    ],
)
def test_rank_0_alone_logs(
    variables: dict[str, str], *, logs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    file = tmp_path / "points.jsonl"
    monkeypatch.setenv("GITEXP_POINTS", str(file))
    live.log_metric("f1", 0.5)
    live.flush()
    assert file.exists() == logs


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 191, None])
def test_a_name_that_cannot_be_recorded_is_refused_where_it_is_logged(name: str) -> None:
    with pytest.raises(BadMetricError):
        live.log_metric(name, 1)


@pytest.mark.parametrize("step", [1.5, 2**63, float("nan"), "x"])
def test_a_step_is_a_whole_number(step: int) -> None:
    with pytest.raises(BadMetricError):
        live.log_metric("f1", 1, step=step)


def test_a_file_that_cannot_be_written_is_said_once_and_stops_no_training(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import gitexp\n"
        "for step in range(100):\n"
        "    gitexp.log_metric('loss', 1, step=step)\n"
        "    gitexp.log_metric('f1', 1, step=step)\n"
        "print('done')\n"
    )
    said = run(script, GITEXP_POINTS=str(tmp_path / "no" / "points.jsonl"))
    assert said.startswith("done\n")
    assert said.count("values are lost") == 1


def test_of_many_points_each_arrives_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "points.jsonl"
    monkeypatch.setenv("GITEXP_POINTS", str(file))
    for step in range(20_000):
        live.log_metric("loss", 0.123456789, step)
    live.flush()
    assert [point.step for point in logged(file)] == [*range(20_000)]


def test_params_are_those_of_the_repeat_else_the_nearest_above_the_script(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "params.yaml").write_text("train: {lr: 1e-3}\n")
    script = tmp_path / "src" / "train.py"
    script.parent.mkdir()
    script.write_text("from gitexp.system.live import params\nprint(params()['train']['lr'])\n")
    assert run(script) == "0.001\n"
    job = tmp_path / "job"
    job.mkdir()
    (job / "params.yaml").write_text("train: {lr: 2}\n")
    assert run(script, GITEXP_PROJECT=str(job)) == "2\n"


def test_params_that_are_nowhere_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError):
        live.params(tmp_path)


NAMES = st.text("ab./%\\ :-_\u00e4\U0001f600C2EF", min_size=1, max_size=8)


@given(NAMES, NAMES)
def test_two_curves_never_share_a_file(one: str, other: str) -> None:
    file = live._file_name(one)  # noqa: SLF001
    assert (file == live._file_name(other)) == (one == other)  # noqa: SLF001
    assert file == one or live._file_name(file) != file  # noqa: SLF001  what looks encoded is, too


@given(NAMES)
def test_the_file_of_a_curve_lies_in_its_folder_and_is_seen_there(name: str) -> None:
    parts = live._file_name(name).split("/")  # noqa: SLF001
    assert all(part and not part.startswith(".") for part in parts)
    assert not set("".join(parts)) & set('\\:*?"<>| \n')


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of a script that nobody has started for a repeat."""
    for name in (*RANKS, live.POINTS, live.CURVES, f"{live.CURVES}_SINCE", live.PROJECT):
        monkeypatch.setenv(name, "")  # so that what a script's first value sets is undone, too
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "_LOG", live._Log())  # noqa: SLF001  another process
    return tmp_path


def test_without_gitexp_values_are_rows_of_a_csv_file_that_curves_reads(here: Path) -> None:
    for value in (1, 0.5, float("nan")):
        live.log_metric('a "b", c', value)
    live.log_metric("loss/train", 2, step=10.0)  # type: ignore[arg-type]
    live.flush()
    folder = here / points.FOLDER
    data = (folder / "a%20%22b%22%2C%20c.csv").read_bytes()
    assert curves.load(data, "c.csv") == tuple(
        curves.CurvePoint('a "b", c', step, value) for step, value in enumerate((1, 0.5, None))
    )
    assert (folder / "loss/train.csv").read_text() == 'name,step,value\n"loss/train",10,2.0\n'
    assert (folder.parent / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    "letter", ["\u51c6", " ", "\U0001f600"], ids=["3 bytes", "%20", "12 bytes"]
)
def test_a_name_as_long_as_a_metric_may_have_has_a_file(
    here: Path, capsys: pytest.CaptureFixture[str], letter: str
) -> None:
    names = [letter * 188 + end for end in ("aa", "ab")]
    for name in names:
        live.log_metric(name, 1)
    live.flush()
    assert capsys.readouterr().err == ""
    found = [curves.load(file.read_bytes(), "c.csv") for file in here.rglob("*.csv")]
    assert sorted(curve[0].name for curve in found) == names


def test_a_later_execution_begins_each_file_anew_and_follows_no_link_into_a_cache(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = here / "cached"
    cached.write_text("name,step,value\nold,0,1\n")
    os.utime(cached, (1, 1))
    file = here / points.FOLDER / "loss.csv"
    file.parent.mkdir(parents=True)
    os.link(cached, file)
    live.log_metric("loss", 1)
    live.flush()
    assert cached.read_text().endswith("old,0,1\n")
    assert file.read_text() == 'name,step,value\n"loss",0,1.0\n'
    monkeypatch.setattr(live, "_LOG", live._Log())  # noqa: SLF001  one that this one started
    live.log_metric("loss", 2, step=1)
    live.flush()
    assert file.read_text().splitlines()[1:] == ['"loss",0,1.0', '"loss",1,2.0']


def test_points_of_a_repeat_say_which_stage_logged_them(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = here / "points.jsonl"
    monkeypatch.setenv(live.POINTS, str(file))
    monkeypatch.setenv("DVC_STAGE", "train@a")
    live.log_metric("f1", numpy_like(0.5), step=numpy_like(3))  # type: ignore[arg-type]
    live.flush()
    (point,) = logged(file)
    assert (point.name, point.value, point.step, point.stage) == ("f1", 0.5, 3, "train@a")
    assert not (here / "gitexp-points").exists()


class numpy_like:  # noqa: N801
    """A scalar of a library: it is no int, no float, and tells what it is when asked."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)


@pytest.mark.parametrize("value", ["x", None, [], {}, 1j])
def test_what_is_no_number_fails_where_it_is_logged_also_where_nothing_is_recorded(
    value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    with pytest.raises((TypeError, ValueError)):
        live.log_metric("f1", value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "text"), [("params.yaml", "- 1\n"), ("p.json", "[]"), ("none.yaml", None)]
)
def test_parameters_without_a_mapping_say_where_they_were_looked_for(
    tmp_path: Path, file: str, text: str | None
) -> None:
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(GitexpError) as caught:
        live.params(tmp_path, file)
    assert file in caught.value.where


def test_the_search_for_parameters_ends_at_the_repository(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("a: 1\n")
    for top in (".git", ".dvc"):
        (tmp_path / top / "repo" / top).mkdir(parents=True)
        script = tmp_path / top / "repo" / "train.py"
        script.write_text(
            "from gitexp.system.live import params\n"
            "try: params()\n"
            "except Exception as error: print(error)\n"
        )
        assert "there are no parameters to read" in run(script)
