"""What is frozen of an evaluation, and what of it a candidate can reach."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc import dvcpipeline, evaluator, inputs
from gitexp.dvc.composed import laid_over
from gitexp.dvc.filled import FilledPipeline
from gitexp.dvc.scripts.resolver import resolve
from gitexp.dvc.state import ProjectState
from gitexp.errors import UnsafeInputError
from gitexp.git import objects, repository
from gitexp.git.writing import build_tree
from gitexp.model import replace
from gitexp.model.config import ParamKey, Predictions, ProjectConfig, SeedRule
from gitexp.model.run import Parts
from gitexp.system import observed

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.git.repository import Repo
    from gitexp.text.jsontext import Json
    from tests.lab.build import BuiltRepo, Content

PIPELINE = """\
vars:
- script: src/evaluate.py
- data: raw.csv
- conf/eval.yaml
stages:
  prepare:
    cmd: python src/prepare.py ${data}
    deps: [src/prepare.py, raw.csv]
    outs: [prepared.csv]
  train:
    cmd: python src/train.py
    deps: [src/common.py, src/train.py, prepared.csv]
    params: [lr, seed]
    outs: [model.pkl]
  evaluate:
    cmd: python ${script} --average ${average} --seed ${seed}
    deps: [src/common.py, src/evaluate.py, src/lib, labels.csv, judge.md, model.pkl]
    params: [lr, eval, seed]
    metrics:
    - metrics.json: {cache: false}
"""
POINTER = (
    "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 3\n  hash: md5\n  path: labels.csv\n"
)
FILES: dict[str, Content] = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "lr: 0.1\nseed: 7\neval: {threshold: 0.5, folds: [1, 2]}\n",
    "conf/eval.yaml": "average: macro\n",
    "labels.csv.dvc": POINTER,
    "raw.csv": "1\n",
    "judge.md": "Be fair.\n",
    **{f"src/{name}.py": f"# {name}\n" for name in ("prepare", "train")},
    "src/common.py": "import shared.deep\n",
    "src/shared/deep.py": "from scipy.stats import norm\nfrom .close import it\n",
    "src/shared/close.py": "it = 1\n",
    "src/evaluate.py": "import json\nimport common\nfrom sklearn.metrics import f1\n",
    "src/lib/a.py": "a = 1\n",
}
CONFIG = ProjectConfig(
    pipeline="dvc.yaml",
    metrics=("metrics.json",),
    seed=SeedRule((ParamKey("params.yaml", "seed"),)),
)
NAMES = {
    "dvc.yaml:evaluate",
    "dvc.yaml:vars.script",
    "conf/eval.yaml:average",
    "eval.folds",
    "eval.threshold",
    "judge.md",
    "labels.csv",
    "src/evaluate.py",
}


def opened(repo: BuiltRepo) -> Repo:
    return repository.open_repository(repo.workspace)


def at(repo: BuiltRepo, config: ProjectConfig = CONFIG) -> ProjectState:
    here = opened(repo)
    tree = objects.tree_id(here, objects.resolve(here, "HEAD"))
    assert isinstance(tree, str)
    return ProjectState(here, tree, config)


def changed(
    repo: BuiltRepo, files: dict[str, Content | None], config: ProjectConfig = CONFIG
) -> tuple[str, ...]:
    """Return the frozen names at which a commit of these files differs."""
    repo.commit(FILES)
    before = at(repo)
    found = evaluator.evaluator(before, ("metrics.json",), ())
    repo.commit(files, at=2)
    after = evaluator.content(found, at(repo, config))
    return evaluator.differing(evaluator.content(found, before), after)


def test_what_evaluation_alone_reads_is_frozen(repo: BuiltRepo) -> None:
    repo.commit(FILES)
    found = evaluator.evaluator(at(repo), ("metrics.json",), ())
    assert not found.lacking
    assert evaluator.content(found, at(repo)).keys() == NAMES
    for other, lacking in (("none.json", ""), ("model.pkl", "train trains, and whether its")):
        one_of = evaluator.evaluator(at(repo), (other, "metrics.json"), (), sure=False)
        assert evaluator.content(one_of, at(repo)).keys() == NAMES
        assert one_of.lacking.startswith(lacking)
        assert bool(one_of.lacking) == bool(lacking)


def edit(old: str, new: str) -> str:
    assert old in PIPELINE
    return PIPELINE.replace(old, new)


CHEAT = "  cheat:\n    cmd: echo 1 > metrics.json\n    metrics: [metrics.json]\n"
MOVED = edit("    - metrics.json: {cache: false}\n", "    - old.json: {cache: false}\n") + CHEAT
RENAMED = edit("  evaluate:\n", "  score:\n")


@pytest.mark.sweep(22, "script", "parameter")
@pytest.mark.parametrize(
    ("files", "names"),
    [
        pytest.param({"src/evaluate.py": "# mine"}, {"src/evaluate.py"}, id="script"),
        pytest.param({"judge.md": "Be kind.\n"}, {"judge.md"}, id="prompt"),
        pytest.param(
            {"labels.csv.dvc": POINTER.replace("md5: 0", "md5: 1")}, {"labels.csv"}, id="labels"
        ),
        pytest.param(
            {"labels.csv.dvc": None, "labels.csv": "1"}, {"labels.csv"}, id="labels in Git"
        ),
        pytest.param(
            {"params.yaml": "lr: 0.2\nseed: 8\neval: {threshold: 0.1, folds: [1, 2]}\n"},
            {"eval.threshold"},
            id="parameter",
        ),
        pytest.param(
            {"conf/eval.yaml": "average: micro\n"}, {"conf/eval.yaml:average"}, id="vars file"
        ),
        pytest.param(
            {"dvc.yaml": edit("script: src/evaluate.py", "script: src/mine.py")},
            {"dvc.yaml:vars.script"},
            id="vars",
        ),
        pytest.param(
            {"dvc.yaml": edit("python ${script}", "python src/mine.py")},
            {"dvc.yaml:evaluate"},
            id="command",
        ),
        pytest.param(
            {
                "dvc.yaml": edit(
                    "    deps: [src/common.py, src/eval",
                    "    wdir: src\n    deps: [src/common.py, src/eval",
                )
            },
            {"dvc.yaml:evaluate"},
            id="folder",
        ),
        pytest.param({"dvc.yaml": RENAMED}, set(), id="another name alone"),
        pytest.param(
            {"dvc.yaml": RENAMED.replace("python ${script}", "python src/mine.py")},
            {"dvc.yaml:evaluate"},
            id="another name, another command",
        ),
        pytest.param({"dvc.yaml": MOVED}, {"dvc.yaml:evaluate"}, id="another stage makes it"),
        pytest.param(
            {"dvc.yaml": edit("  evaluate:\n", "  evaluate:\n    frozen: true\n")},
            {"dvc.yaml:evaluate"},
            id="a stage that is not executed",
        ),
        pytest.param(
            {
                "dvc.yaml": edit(
                    "src/train.py, prepared", "src/train.py, src/evaluate.py, prepared"
                ),
                "src/evaluate.py": "# mine",
            },
            {"src/evaluate.py"},
            id="shared by the candidate",
        ),
        pytest.param(
            {
                "dvc.yaml": edit("params: [lr, seed]", "params: [lr, seed, eval]"),
                "params.yaml": "lr: 0.1\nseed: 7\neval: {threshold: 0.1, folds: [1, 2]}\n",
            },
            {"eval.threshold"},
            id="a parameter shared by the candidate",
        ),
        pytest.param(
            {"dvc.yaml": edit("src/evaluate.py, src/lib", "src/lib"), "src/evaluate.py": "# mine"},
            {"src/evaluate.py"},
            id="no dependency any longer",
        ),
        pytest.param(
            {"dvc.yaml": edit("[model.pkl]\n", "[model.pkl, src/evaluate.py]\n")},
            {"src/evaluate.py"},
            id="made by another stage",
        ),
        *(
            pytest.param(
                {
                    "dvc.yaml": PIPELINE
                    + f"  mine:\n    foreach: {over}\n    do:\n      cmd: ./mine ${{item}}\n"
                    f"      outs: ['{out}': {{cache: false}}]\n"
                },
                {"judge.md"},
                id=f"made by a group: {out}",
            )
            for over, out in (
                ("[judge.md]", "${item}"),
                ("[{p: judge.md}]", "${item.p}"),
                ("{a: {p: judge}}", "${item.p}.md"),
                ("${unknown}", "judge${item}"),
            )
        ),
        *(  # what acts on a frozen file, or is imported instead of it, or of what it imports
            pytest.param({path: "# mine\n"}, {path}, id=path)
            for path in (
                ".gitattributes",
                "src/.gitattributes",
                ".lfsconfig",
                "src/evaluate/__init__.py",
                "src/evaluate/__init__.abi3.so",
                "src/evaluate.cpython-311-x86_64-linux-gnu.so",
                "src/__pycache__/evaluate.cpython-311.pyc",
                "sitecustomize.py",
                "json.py",
                "src/sklearn/__init__.py",
                "src/sitecustomize.py",
                "src/random.py",  # of the standard library, whoever imports it
                "src/scipy.py",  # of what is imported from shared code
                "src/shared/__init__.py",  # executed with what lies in it
            )
        ),
        pytest.param(
            {"dvc.yaml": edit("[model.pkl]\n", "[model.pkl, src/json.py]\n")},
            {"src/json.py"},
            id="a module made by another stage",
        ),
        pytest.param(
            {"dvc.yaml": edit("[model.pkl]\n", "[model.pkl, src/scipy]\n")},
            {"src/scipy"},
            id="a package made by another stage",
        ),
        pytest.param({"labels.csv.dvc": "outs: [\n"}, {"labels.csv"}, id="no pointer"),
        pytest.param({"dvc.yaml": "stages: [\n"}, {"dvc.yaml:evaluate"}, id="no YAML"),
        # What the candidate may do.
        pytest.param({"src/train.py": "# mine", "src/common.py": "# mine"}, set(), id="training"),
        pytest.param({"src/lib/a.py": "a = 2\n", "raw.csv": "2\n"}, set(), id="folders, and data"),
        pytest.param(
            {
                "docs/.gitattributes": "* text\n",
                "src/common.py": "# mine",
                "src/train/__init__.py": "",
                "src/__pycache__/train.cpython-311.pyc": "",
                "src/more.py": "",
                "src/shared/random.py": "",
                "src/__init__.py": "",
                "random/notes.txt": "",
                "src/close.py": "",  # which shared code imports from its own package
            },
            set(),
            id="what acts elsewhere",
        ),
        pytest.param(
            {
                "dvc.yaml": edit(
                    "src/train.py, prepared.csv]", "src/train.py, prepared.csv, src/lib]"
                )
            },
            set(),
            id="the entry of training",
        ),
        pytest.param(
            {
                "dvc.yaml": PIPELINE
                + "  more:\n    cmd: wc model.pkl > n.json\n    metrics: [n.json]\n"
            },
            set(),
            id="one more metrics file",
        ),
    ],
)
def test_what_a_candidate_changes_of_it_is_named(
    repo: BuiltRepo, files: dict[str, Content | None], names: set[str]
) -> None:
    found = set(changed(repo, files))
    if "dvc.yaml" in files and files["dvc.yaml"] == "stages: [\n":
        assert found >= names
    else:
        assert found == names


def test_a_link_or_a_submodule_in_place_of_a_file_is_another_one(repo: BuiltRepo) -> None:
    repo.commit(FILES)
    before = at(repo)
    found = evaluator.evaluator(before, ("metrics.json",), ())
    (repo.path / "src/evaluate.py").unlink()
    (repo.path / "src/evaluate.py").symlink_to("train.py")
    repo.git("add", "--all")
    repo.commit(at=2)
    link = at(repo)
    repo.git("rm", "-q", "src/evaluate.py")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.hash()},src/evaluate.py")
    repo.git("commit", "-qm", "module")
    for state in (link, at(repo)):
        there = evaluator.content(found, state)
        assert evaluator.differing(evaluator.content(found, before), there) == ("src/evaluate.py",)
        with pytest.raises(UnsafeInputError):
            laid_over(before, state, ["src/evaluate.py"])


def test_the_file_behind_a_link_is_frozen_too(repo: BuiltRepo) -> None:
    others = {path: text for path, text in FILES.items() if path != "src/evaluate.py"}
    repo.commit({**others, "src/real.py": "# real\n"})
    (repo.path / "src/evaluate.py").symlink_to("real.py")
    repo.git("add", "--all")
    repo.commit(at=2)
    before = at(repo)
    found = evaluator.evaluator(before, ("metrics.json",), ())
    repo.commit({"src/real.py": "# mine\n"}, at=3)
    names = evaluator.differing(
        evaluator.content(found, before), evaluator.content(found, at(repo))
    )
    assert names == ("src/real.py",)


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("python ${script} --out metrics.json --params params.yaml", {"src/evaluate.py"}),
        ("python -m src.evaluate", {"src/evaluate.py"}),
        ("bash run.sh", {"run.sh"}),
        ("bash run.sh --judge prompts/kind.md", {"run.sh", "prompts/kind.md"}),
        ("python src/train.py --evaluate", set()),  # the command of another stage names it, too
    ],
)
def test_what_the_command_names_is_frozen_where_the_dependencies_forget_it(
    repo: BuiltRepo, command: str, names: set[str]
) -> None:
    pipeline = edit("src/evaluate.py, src/lib", "src/lib")
    pipeline = pipeline.replace("python ${script} --average ${average} --seed ${seed}", command)
    more = {"run.sh": "", "prompts/kind.md": "", "old/prompts/kind.md": "", "tools/evaluate.py": ""}
    repo.commit({**FILES, **more, "dvc.yaml": pipeline})
    found = evaluator.evaluator(at(repo), ("metrics.json",), ())
    assert {*found.files} == {"judge.md", "labels.csv", *names}


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, metrics=("cheat.json",)),
        replace(CONFIG, targets=("train",)),
        replace(CONFIG, pipeline=None, command="echo"),
        replace(CONFIG, seed=SeedRule((ParamKey("params.yaml", "eval.threshold"),))),
    ],
)
def test_settings_do_not_lead_around_it(repo: BuiltRepo, config: ProjectConfig) -> None:
    assert changed(repo, {}, config)


def test_what_columns_mean_stays_as_it_is(repo: BuiltRepo) -> None:
    config = replace(CONFIG, predictions=Predictions("p.csv", y_true="label"))
    repo.commit(FILES)
    state = at(repo, config)
    found = evaluator.evaluator(state, ("metrics.json",), ())
    other = replace(state, config=replace(config, predictions=Predictions("p.csv")))
    names = evaluator.differing(evaluator.content(found, state), evaluator.content(found, other))
    assert names == (".gitexp/config.yaml:predictions",)


ONE = """\
stages:
  prepare:
    cmd: python src/prepare.py
    deps: [src/prepare.py]
    outs: [prepared.csv]
  train:
    cmd: python src/train.py
    deps: [src/train.py, prepared.csv]
    params: [seed]
    metrics: [metrics.json]
"""


@pytest.mark.parametrize(
    ("pipeline", "lacking"),
    [
        (ONE, "train trains and evaluates"),
        (
            ONE.replace("prepared.csv]\n    params: [seed]", "prepared.csv]\n    outs: [m.pkl]"),
            "train trains",
        ),
        (ONE.replace(", prepared.csv]", "]"), "train trains"),
        (
            ONE.replace("    outs: [prepared.csv]", "    params: [seed]\n    outs: [prepared.csv]")
            + "    outs: [xgb_model.json]\n",
            "train trains",
        ),
        (ONE.replace("metrics.json", "other.json"), "no stage makes metrics.json"),
    ],
)
def test_a_stage_that_trains_is_not_frozen(repo: BuiltRepo, pipeline: str, lacking: str) -> None:
    repo.commit({**FILES, "dvc.yaml": pipeline})
    found = evaluator.evaluator(at(repo), ("metrics.json",), ())
    assert lacking in found.lacking
    assert not evaluator.content(found, at(repo))


ANY = ONE.replace("train", "main").replace("    params: [seed]\n", "")


@pytest.mark.parametrize("where", ["src/main.py", "src/prepare.py", "src/evaluate.py"])
def test_where_no_parameter_is_a_seed_the_stage_trains_that_first_reads_the_variable(
    repo: BuiltRepo, where: str
) -> None:
    read = "import os\nseed = int(os.environ['GITEXP_SEED'])\n"
    repo.commit({**FILES, "dvc.yaml": ANY, "src/main.py": "", where: read})
    state = at(repo, replace(CONFIG, seed=SeedRule()))
    found = evaluator.evaluator(state, ("metrics.json",), ())
    assert (found.lacking != "", found.seeded) == (where == "src/main.py", False)


SPLIT = ANY.replace("    outs: [prepared.csv]", "    params: [split]\n    outs: [prepared.csv]")


@pytest.mark.parametrize(
    ("pipeline", "trains"),
    [
        (f"{SPLIT}    params: [seed]\n", True),  # a seed of its own
        (f"{SPLIT}    params: [split]\n", False),
        (f"{SPLIT}    params: [seed]\n".replace("main", "evaluate"), False),  # one for resampling
        (SPLIT.replace("main", "train"), True),
        (SPLIT.replace("src/main", "src/fit_model"), True),
        (SPLIT.replace("  main:", "  model-training:"), True),
        (SPLIT.replace("src/main", "src/trainer_scores"), False),
        (SPLIT.replace("main", "constraint"), False),
    ],
)
def test_a_seed_of_its_own_or_its_name_tells_that_a_stage_trains(
    repo: BuiltRepo, pipeline: str, *, trains: bool
) -> None:
    """Where it makes its metrics alone from another stage's output, nothing else does."""
    repo.commit({**FILES, "dvc.yaml": pipeline})
    seeds = SeedRule((ParamKey("params.yaml", "seed"), ParamKey("params.yaml", "split")))
    found = evaluator.evaluator(at(repo, replace(CONFIG, seed=seeds)), ("metrics.json",), ())
    assert ("trains and evaluates" in found.lacking) == trains


def test_a_folder_with_the_metrics_in_it_is_no_model(repo: BuiltRepo) -> None:
    pipeline = edit(
        "    metrics:\n    - metrics.json: {cache: false}\n", "    outs: [eval, roc.csv]\n"
    )
    repo.commit({**FILES, "dvc.yaml": pipeline})
    state = at(repo, replace(CONFIG, metrics=("eval/metrics.json",)))
    found = evaluator.evaluator(state, ("eval/metrics.json",), ())
    assert evaluator.content(found, state).keys() == NAMES


def test_a_command_without_stages_is_not_frozen_and_a_plan_may_name_what_is(
    repo: BuiltRepo,
) -> None:
    repo.commit(FILES)
    state = at(repo, replace(CONFIG, pipeline=None, command="python src/train.py"))
    found = evaluator.evaluator(state, ("metrics.json",), ("judge.md", "src/lib", "eval.threshold"))
    assert "one command" in found.lacking
    before = evaluator.content(found, state)
    assert before.keys() == {"judge.md", "src/lib/a.py", "eval.threshold"}
    repo.commit({"src/lib/b.py": "b = 1\n"}, at=2)
    after = evaluator.content(found, replace(state, tree=at(repo).tree))
    assert evaluator.differing(before, after) == ("src/lib/b.py",)


def test_the_stage_that_makes_predictions_is_frozen_unless_it_trains(repo: BuiltRepo) -> None:
    predict = (
        "  predict:\n    cmd: python src/predict.py\n    deps: [src/predict.py, model.pkl]\n"
        "    outs: [p.csv]\n"
    )
    repo.commit({**FILES, "dvc.yaml": PIPELINE + predict, "src/predict.py": "# p\n"})
    state = at(repo, replace(CONFIG, predictions=Predictions("p.csv")))
    found = evaluator.evaluator(state, ("metrics.json",), ())
    assert {"dvc.yaml:predict", "src/predict.py"} <= evaluator.content(found, state).keys()
    state = at(repo, replace(CONFIG, predictions=Predictions("model.pkl")))
    found = evaluator.evaluator(state, ("metrics.json",), ())
    assert "dvc.yaml:train" not in evaluator.content(found, state)


def test_what_is_laid_over_a_baseline_has_the_inputs_of_the_composed_tree(
    repo: BuiltRepo,
) -> None:
    repo.commit(FILES)
    base = at(repo)
    found = evaluator.evaluator(base, ("metrics.json",), ())
    repo.commit(
        {
            "src/evaluate.py": "# mine\n",
            "labels.csv.dvc": POINTER.replace("md5: 0", "md5: 1"),
            "params.yaml": "lr: 0.9\nseed: 8\neval: {threshold: 0.1, folds: [1, 2]}\n",
            "conf/eval.yaml": "average: micro\n",
            "dvc.yaml": edit("--seed", "--root").replace("script: src", "script: ./src"),
            "src/train.py": "# better\n",
        },
        at=2,
    )
    other = at(repo)
    names = evaluator.differing(evaluator.content(found, base), evaluator.content(found, other))
    assert set(names) == NAMES - {"judge.md", "eval.folds"}
    config = replace(CONFIG, params=("params.yaml", "conf/eval.yaml"))
    base, other = replace(base, config=config), replace(other, config=config)
    over = laid_over(base, other, names)
    laid = replace(base, over=over)
    assert evaluator.content(found, laid) == evaluator.content(found, other)
    composed = replace(base, tree=build_tree(base.repo, base.tree, over))
    assert inputs.digest(laid) == inputs.digest(composed) != inputs.digest(base)
    text = objects.read_blob(base.repo, composed.tree, "params.yaml")
    assert text == b"lr: 0.1\nseed: 7\neval: {threshold: 0.1, folds: [1, 2]}\n"
    assert [each.what for each in inputs.differences(laid, other)] == ["lr", "src/train.py"]


def test_what_an_imported_distribution_requires_is_not_taken_from_the_candidate(
    repo: BuiltRepo,
) -> None:
    modules = {"scikit-learn": ("sklearn", "tests"), "joblib": ("joblib",), "other": ("other",)}
    parts = Parts(modules, {"scikit-learn": ("joblib[];",)}, {}, "")
    repo.commit(FILES)
    before = at(repo)
    found = evaluator.evaluator(before, ("metrics.json",), ())
    repo.commit({f"src/{name}.py": "" for name in ("joblib", "other", "tests")}, at=2)
    names = observed.names_behind(found.imports.asked, parts)
    assert evaluator.differing(
        evaluator.content(found, before, {}, names), evaluator.content(found, at(repo), {}, names)
    ) == ("src/joblib.py",)


KEPT: Json = {"cache": False}
KINDS: dict[str, Callable[[str], dict[str, Json]]] = {
    "outs": lambda path: {"outs": [path]},
    "outs in Git": lambda path: {"outs": [{path: KEPT}]},
    "metrics": lambda path: {"metrics": [path]},
    "metrics in Git": lambda path: {"metrics": [{path: KEPT}]},
    "plots": lambda path: {"plots": [{path: {"cache": False, "x": "a"}}]},
}
GROUPS: dict[str, tuple[dict[str, Json], str]] = {
    "list": ({"foreach": ["tree", "forest"]}, "out/${item}.json"),
    "list of params": ({"foreach": "${models}"}, "out/${item}.json"),
    "list of templates": ({"foreach": ["${models[0]}", "${models[1]}"]}, "out/${item}.json"),
    "mappings": ({"foreach": [{"n": "tree"}, {"n": "forest"}]}, "out/${item.n}.json"),
    "mapping": ({"foreach": {"tree": 1, "forest": 2}}, "out/${key}.json"),
    "mapping of params": ({"foreach": "${by}"}, "${folder}/${item.file}"),
    "whole names": (
        {"foreach": {"a": {"p": "out/tree.json"}, "b": {"p": "out/forest.json"}}},
        "${item.p}",
    ),
    "vars of a file": ({"foreach": "${kinds}"}, "out/${item.name}.${item.deep.as}"),
    "inline vars": ({"foreach": "${given}"}, "out/${item}.json"),
    "own vars": ({"foreach": ["tree", "forest"]}, "${mine}/${item}.json"),
    "own folder": ({"foreach": ["tree", "forest"], "wdir": "out"}, "${item}.json"),
    "folder of templates": ({"foreach": ["out"], "wdir": "${item}"}, "."),
    "matrix": ({"matrix": {"model": ["tree", "forest"], "n": [1, 2]}}, "out/${item.model}.json"),
    "matrix of params": ({"matrix": {"m": "${models}"}}, "out/${item[m]}.json"),
    "matrix of mappings": ({"matrix": {"m": "${kinds}"}}, "out/${item.m.name}.json"),
    "flags": ({"foreach": [True, False]}, "out/${item}"),
    "folder": ({"foreach": ["out"]}, "${item}"),
    "folder above": ({"foreach": ["ou"]}, "${item}t/"),
    "no group": ({"vars": [{"n": "out"}]}, "${n}"),
}
DATA: dict[str, Content] = {
    "params.yaml": "seed: 1\nmodels: [tree, forest]\nfolder: out\n"
    "by: {tree: {file: tree.json}, forest: {file: forest.json}}\n",
    "more.yaml": "kinds:\n- {name: tree, deep: {as: json}}\n- {name: forest, deep: {as: json}}\n",
    "train.py": "#\n",
    "summary.py": "#\n",
    **{f"out/{name}": "1\n" for name in ("tree.json", "forest.json", "true", "false")},
}
SUMMED = replace(CONFIG, metrics=("summary.json",))


def grouped(group: str, kind: str) -> str:
    """Return a pipeline of a group of stages, and one that reads what Git holds of its outputs."""
    over, path = GROUPS[group]
    made = ["out/true", "out/false"] if group == "flags" else ["out/tree.json", "out/forest.json"]
    folder = str(over.get("wdir", "."))
    body: dict[str, Json] = {"cmd": "python train.py", "params": ["seed"], **KINDS[kind](path)}
    body |= {"vars": [{"mine": "out"}]} if "mine" in path else {}
    body |= {"wdir": folder} if folder != "." else {}
    given = {key: value for key, value in over.items() if key != "wdir"}
    stage = {**given, "do": body} if "foreach" in given else {**given, **body}
    last: Json = {
        "cmd": f"python summary.py {made[0]}",
        "deps": ["summary.py", *made],
        "metrics": [{"summary.json": KEPT}],
    }
    top: Json = ["more.yaml", {"given": ["tree", "forest"]}]
    return json.dumps({"vars": top, "stages": {"train": stage, "summary": last}})


@pytest.mark.sweep
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", GROUPS)
def test_what_a_stage_makes_is_not_frozen_however_it_is_written(
    repo: BuiltRepo, group: str, kind: str
) -> None:
    """DVC's own resolver says which files that are."""
    repo.commit({**DATA, "dvc.yaml": grouped(group, kind)})
    state = at(repo, SUMMED)
    found = evaluator.evaluator(state, SUMMED.metrics, ())
    measures = kind.startswith("metrics")  # and trains: it takes the seed
    assert found.lacking == ("train trains and evaluates" if measures else "")
    assert found.files == ("summary.py",)
    assert evaluator.content(found, state).keys() == {"dvc.yaml:summary", "summary.py"}
    said = json.dumps(resolve(str(repo.path / "dvc.yaml"), {})).encode()
    stages = dvcpipeline.load_pipeline(said, "dvc.yaml", resolved=True).stages
    made = {out.path for each in stages for out in each.outs}
    assert made
    assert {out.path for each in FilledPipeline(state).stages for out in each.outs} == made


def test_what_a_plan_names_of_outputs_is_no_evaluator_either(repo: BuiltRepo) -> None:
    """Older plans may name them; a stage that only a candidate has takes nothing out."""
    repo.commit({**DATA, "dvc.yaml": grouped("list", "metrics in Git"), "judge.md": "Be fair.\n"})
    one = at(repo, SUMMED)
    found = evaluator.evaluator(one, SUMMED.metrics, ("out", "judge.md"))
    more = {"judge.md": {"cmd": "./mine", "outs": [{"judge.md": KEPT}]}}
    text = json.loads(grouped("list", "metrics in Git"))
    text["stages"] |= more
    repo.commit({"out/tree.json": "2\n"}, at=2)
    two = at(repo, SUMMED)
    repo.commit({"dvc.yaml": json.dumps(text)}, at=3)
    here, same, other = (evaluator.content(found, each) for each in (one, two, at(repo, SUMMED)))
    assert evaluator.differing(here, same) == ()
    assert evaluator.differing(here, other) == ("judge.md",)


def stages(**made: tuple[list[str], dict[str, Json]]) -> dict[str, Json]:
    """Return stages with a script each: what it reads beside that, and what else it says."""
    return {
        name: {"cmd": f"python src/{name}.py", "deps": [f"src/{name}.py", *read], **more}
        for name, (read, more) in made.items()
    }


def group(over: dict[str, Json], stage: dict[str, Json]) -> Json:
    """Return a group of the one stage that `stages` makes."""
    (body,) = stage.values()
    assert isinstance(body, dict)
    return {**over, "do": body} if "foreach" in over else {**over, **body}


SEED: dict[str, Json] = {"params": ["seed"]}
LAST: dict[str, Json] = {"metrics": [{"summary.json": KEPT}]}
EACH: dict[str, Json] = {"foreach": ["a", "b"]}
FIT = stages(
    prepare=(["raw.csv"], {"outs": ["rows.csv"]}),
    train=(["rows.csv"], {**SEED, "outs": ["m.pkl"]}),
)


def scored(out: dict[str, Json], read: list[str], name: str = "evaluate") -> dict[str, Json]:
    """Return a pipeline of one model, what measures it, and what sums that up."""
    return FIT | stages(**{name: (["m.pkl", "rows.csv"], out), "summary": (read, LAST)})


def scored_each(over: dict[str, Json], out: dict[str, Json], *read: str) -> dict[str, Json]:
    models = ["m.pkl", "a.pkl", "b.pkl"]
    return scored(out, [*read]) | {"evaluate": group(over, stages(evaluate=(models, out)))}


BOTH = {"evaluate", "summary"}
ALL = {"evaluate", "mean", "summary"}
# pipeline, stages that are frozen, what is not
UPSTREAM: dict[str, tuple[dict[str, Json], set[str], str]] = {
    "one stage": (FIT | stages(summary=(["m.pkl", "rows.csv"], LAST)), {"summary"}, ""),
    "metrics": (scored({"metrics": ["e/a.json"]}, ["e/a.json"]), BOTH, ""),
    "metrics of any name": (scored({"metrics": ["x"]}, ["x"], "apply"), {"apply", "summary"}, ""),
    "metrics in a folder": (scored({"metrics": ["e/a.json"]}, ["e"]), BOTH, ""),
    "metrics as parameters": (
        scored({"metrics": ["e.yaml"]}, [])
        | stages(summary=(["rows.csv"], {**LAST, "params": [{"e.yaml": ["acc"]}]})),
        BOTH,
        "",
    ),
    "foreach": (
        scored_each(EACH, {"metrics": ["e/${item}.json"]}, "e/a.json", "e/b.json")
        | {"train": group(EACH, stages(train=([], {**SEED, "outs": ["${item}.pkl"]})))},
        BOTH,
        "",
    ),
    "matrix": (
        scored_each({"matrix": {"m": ["a", "b"]}}, {"metrics": ["${item.m}.json"]}, "a.json"),
        BOTH,
        "",
    ),
    "folders of folds": (
        scored_each({"foreach": [0, 1]}, {"outs": ["folds/${item}/scores.json"]}, "folds"),
        BOTH,
        "",
    ),
    "a template that nobody can fill in": (
        scored_each({"foreach": "${unknown}"}, {"metrics": ["e/${item}.json"]}, "e"),
        BOTH,
        "",
    ),
    "two levels": (
        scored_each(EACH, {"metrics": ["e/${item}.json"]}, "mean.json")
        | stages(mean=(["e/a.json", "e/b.json"], {"metrics": ["mean.json"]})),
        ALL,
        "",
    ),
    "two levels, the first no metrics": (
        scored({"metrics": ["a.json"]}, ["all.csv"])
        | stages(mean=(["a.json"], {"outs": ["all.csv"]})),
        ALL,
        "",
    ),
    "a table": (scored({"outs": ["scores.csv"]}, ["scores.csv"]), BOTH, ""),
    "a folder": (scored({"outs": ["folds"]}, ["folds"]), BOTH, ""),
    "a plot": (scored({"plots": ["roc.csv"]}, ["roc.csv"]), BOTH, ""),
    "called metrics": (
        scored({"outs": ["metrics/0.json"]}, ["metrics"], "apply"),
        {"apply", "summary"},
        "",
    ),
    "metrics by the settings": (
        scored({"outs": ["told.json"]}, ["told.json"], "apply"),
        {"apply", "summary"},
        "",
    ),
    "other folder": (
        scored({"outs": ["../e"], "wdir": "src", "deps": ["evaluate.py", "../m.pkl"]}, ["e"]),
        BOTH,
        "",
    ),
    # What is the candidate's.
    "predictions": (scored({"outs": ["p.csv"]}, ["p.csv", "rows.csv"], "predict"), {"summary"}, ""),
    "predictions of what is called a test": (
        scored({"outs": ["predictions.csv"]}, ["predictions.csv"], "test"),
        {"summary"},
        "",
    ),
    "folder of predictions": (scored({"outs": ["preds"]}, ["preds"]), {"summary"}, ""),
    "predictions beside metrics that nobody reads": (
        scored({"metrics": ["a.json"], "outs": ["y_pred.csv"]}, ["y_pred.csv"]),
        {"summary"},
        "",
    ),
    "metrics of data": (
        stages(
            prepare=(["raw.csv"], {"outs": ["rows.csv"], "metrics": ["stats.json"]}),
            train=(["rows.csv"], {**SEED, "outs": ["m.pkl"]}),
            summary=(["m.pkl", "stats.json"], LAST),
        ),
        {"summary"},
        "",
    ),
    "data that were validated": (
        stages(
            validate=(["raw.csv"], {"outs": ["rows.csv"]}),
            train=(["rows.csv"], {**SEED, "outs": ["m.pkl"]}),
            summary=(["m.pkl", "rows.csv"], LAST),
        ),
        {"summary"},
        "",
    ),
    "what was tuned": (
        FIT
        | stages(
            tune=(["rows.csv"], {**SEED, "metrics": ["best.json"]}),
            train=(["rows.csv", "best.json"], {**SEED, "outs": ["m.pkl"]}),
            summary=(["m.pkl"], LAST),
        ),
        {"summary"},
        "",
    ),
    "a model's folder with its metrics": (
        stages(
            prepare=(["raw.csv"], {"outs": ["rows.csv"]}),
            train=(["rows.csv"], {**SEED, "outs": ["told"]}),
            summary=(["told", "rows.csv"], LAST),
        ),
        {"summary"},
        "",
    ),
    "training by scores": (
        scored({"metrics": ["a.json"]}, ["net.json", "rows.csv"])
        | stages(train_more=(["a.json"], {**SEED, "outs": ["net.json"]})),
        {"summary"},
        "",
    ),
    # What nobody can freeze.
    "metrics of training": (
        FIT
        | stages(train=(["rows.csv"], {**SEED, "metrics": ["a.json"]}), summary=(["a.json"], LAST)),
        {"summary"},
        "train",
    ),
    "cross-validation": (
        FIT
        | stages(
            cross_validate=(["rows.csv"], {**SEED, "outs": ["folds.csv"]}),
            summary=(["folds.csv"], LAST),
        ),
        {"summary"},
        "cross_validate",
    ),
    "one of two": (
        scored({"metrics": ["a.json"]}, ["a.json", "b.json"])
        | stages(train=(["rows.csv"], {**SEED, "outs": ["m.pkl"], "metrics": ["b.json"]})),
        BOTH,
        "train",
    ),
}


@pytest.mark.sweep
@pytest.mark.parametrize("folder", ["", "models/one"])
@pytest.mark.parametrize("pipeline", UPSTREAM)
def test_stages_that_make_the_scores_of_a_summary_are_frozen_with_it(
    repo: BuiltRepo, pipeline: str, folder: str
) -> None:
    """However their script, or their entry, is changed; what trains or prepares data is free."""
    written, expected, trains = UPSTREAM[pipeline]
    above = f"{folder}/" if folder else ""
    files: dict[str, Content] = {f"src/{name}.py": "#\n" for name in written}
    files |= {"dvc.yaml": json.dumps({"stages": written}), "params.yaml": "seed: 1\n"}
    files |= {"raw.csv": "1\n"}
    repo.commit({f"{above}{path}": text for path, text in files.items()})
    config = replace(CONFIG, project=folder, metrics=("summary.json", "told.json", "told/all.json"))
    before = at(repo, config)
    found = evaluator.evaluator(before, ("summary.json",), ())
    assert found.lacking == (f"{trains} trains and evaluates" if trains else "")
    here = evaluator.content(found, before)

    def differing(changes: dict[str, Content]) -> tuple[str, ...]:
        over = {f"{above}{path}": (str(text).encode(), False) for path, text in changes.items()}
        return evaluator.differing(here, evaluator.content(found, replace(before, over=over)))

    def entry(name: str, command: str) -> str:
        body = written[name]
        assert isinstance(body, dict)
        within = body.get("do")
        new = {"do": {**within, "cmd": command}} if isinstance(within, dict) else {"cmd": command}
        return json.dumps({"stages": {**written, name: {**body, **new}}})

    assert {name for name in written if differing({f"src/{name}.py": "# mine\n"})} == expected
    changed = {name: differing({"dvc.yaml": entry(name, "./mine")}) for name in written}
    assert changed == {n: (f"dvc.yaml:{n}",) if n in expected else () for n in written}
    renamed = json.dumps({"stages": {f"{name}s": body for name, body in written.items()}})
    assert differing({"dvc.yaml": renamed}) == ()
