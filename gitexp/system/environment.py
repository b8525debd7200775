"""The environment of a job: interpreter and distributions, machine, variables and shell.

The interpreter is asked itself: once for as long as nothing that it read changes, or in each
worktree that it imports from. The first repeat of a run pays for a look at all that is installed
(100 ms with the question); the others stat some twenty paths. The machine is recorded beside the
environment and never part of its digest.

A command has to do the same under ``gitexp run`` and ``dvc repro``: the shell is the user's own, as
DVC chooses it, without its start-up files; what leads to another repository or another environment
is taken away or set right.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gitexp.errors import GitexpError
from gitexp.git.command import JOB_VARIABLES, LOCAL_VARIABLES
from gitexp.git.discovery import user_key
from gitexp.model import dataclass
from gitexp.model.run import Environment, Parts, Resources
from gitexp.records import codec
from gitexp.system import distributions, imports, interpreter_script, observed, secrets
from gitexp.system.distributions import SealedFile
from gitexp.text.fields import Fields
from gitexp.text.jsontext import json_dumps_compact, json_loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitexp.model.job import Job, Stage

_Read = TypeVar("_Read")
_CACHE_LIMIT = 16 << 20
_KEPT = 64  # cache files
_HEARD = ("PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "HOME", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class EnvironmentSource:
    """Whose environment is looked at, and on whose behalf."""

    python: str  # the project's interpreter
    repository: Path  # top of the user's work tree
    worktree: Path  # top of the job's worktree
    import_paths: tuple[str, ...]  # folders of the worktree that are first on PYTHONPATH
    token: str  # run and commit: installed files are compared with their RECORD once for each
    cache: Path | None  # folder for what was found; None looks afresh each time


@dataclass(frozen=True, slots=True)
class Captured:
    """An environment as it is."""

    environment: Environment
    patched: tuple[str, ...]  # files changed since they were installed
    parts: Parts


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the cache, and what has to be as it was for it to be true."""

    states: Mapping[str, tuple[int, ...]]  # of paths
    sources: Mapping[str, str]  # fingerprints of editable installs outside the repository
    captured: Captured


@dataclass(frozen=True, slots=True)
class _Said:
    """What an interpreter said, and what has to be as it was for it to say so again."""

    states: Mapping[str, tuple[int, ...]]  # of paths
    facts: imports.InterpreterFacts


def interpreter(place: EnvironmentSource, env: Mapping[str, str]) -> imports.InterpreterFacts:
    """Return what an interpreter says of itself; it is started where that could have changed."""
    heard = [place.python, *_machine(), *(env.get(name, "") for name in _HEARD)]
    file = _kept(place, f"interpreter-{_short(heard)}.json")
    said = None if file is None else _read(_Said, file)
    if said is not None and _are_as_seen(said.states):
        return said.facts
    facts = imports.ask(place.python, env)
    if file is not None:
        states = {path: _state(path) for path in _watched(place, facts)}
        file.write(json_dumps_compact(codec.to_json(_Said(states, facts))))
    return facts


def capture(place: EnvironmentSource, env: Mapping[str, str]) -> Captured:
    """Return the environment of a job; code must be from the worktree."""
    env, names, file = _asked(place, env)
    kept = _load(file)
    if kept is not None:
        return kept
    own = place.import_paths
    facts = imports.ask(place.python, env, names) if own else interpreter(place, env)
    found = distributions.scan(facts.path)
    plan = imports.from_facts(facts, found, str(place.repository))
    imports.verify(facts, plan, place.import_paths, place.worktree)
    top = os.path.realpath(place.repository)
    inside = os.path.realpath(place.worktree)
    index = distributions.RecordIndex(_kept(place, f"files-{_short(facts.path)}.json"))
    environment = Environment(
        facts.implementation,
        facts.python,
        facts.abi,
        facts.platform,
        facts.libc,
        tuple(
            distributions.describe(each, inside if _is_below(each.folder, inside) else top, index)
            for each in found
        ),
    )
    parts = observed.look(found, index, facts.path, (top, inside), facts.prefix)
    captured = Captured(environment, distributions.patched_files(found, index), parts)
    index.save()
    code = {item.name: item.fingerprint for item in environment.distributions if item.fingerprint}
    sources = {e.source: code[e.name] for e in found if e.editable and e.name in code}
    _save(file, place, facts, captured, sources)
    return captured


def remembered(place: EnvironmentSource, env: Mapping[str, str]) -> Captured | None:
    """Return what `capture` found, if nothing was installed since; no program is started."""
    return _load(_asked(place, env)[2], alone=True)


def _asked(
    place: EnvironmentSource, env: Mapping[str, str]
) -> tuple[Mapping[str, str], tuple[str, ...], SealedFile | None]:
    """Return variables, modules of the worktree, and where what was found is kept."""
    path = imports.python_path(
        place.import_paths, place.worktree, str(place.repository), env.get("PYTHONPATH", "")
    )
    env = {**env, "PYTHONPATH": path}  # a job's has it already, a coordinator's has not
    names = imports.modules_of(place.import_paths, place.worktree)
    heard = [env.get(name, "") for name in _HEARD]
    # A worktree from which nothing is imported is like any other of the run: variables name it.
    where = str(place.worktree) if place.import_paths else ""
    key = [place.python, str(place.repository), where, place.token, *heard, *names]
    return env, names, _kept(place, f"environment-{_short(key)}.json")


def _kept(place: EnvironmentSource, name: str) -> SealedFile | None:
    user = None if place.cache is None else user_key(place.repository / ".git")
    return None if place.cache is None or user is None else SealedFile(place.cache / name, user)


def _short(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _load(file: SealedFile | None, *, alone: bool = False) -> Captured | None:
    """Return what a file keeps, if it is so; `alone`: and Git need not be asked about sources."""
    if file is None:
        return None
    kept = _read(Kept, file)
    if kept is None:
        return None
    sources = kept.sources.items()
    fresh = _are_as_seen(kept.states) and not (alone and sources)
    fresh = fresh and all(distributions.source_fingerprint(path) == seen for path, seen in sources)
    return kept.captured if fresh else None


def _read(kind: type[_Read], file: SealedFile) -> _Read | None:
    """Return what a file keeps; a cache that cannot be read is an empty one."""
    where = str(file.path)
    try:
        value = json_loads(file.read(), where=where, limit=_CACHE_LIMIT)
        return codec.read(kind, Fields(value, where))
    except (OSError, GitexpError):
        return None


def _save(
    file: SealedFile | None,
    place: EnvironmentSource,
    facts: imports.InterpreterFacts,
    captured: Captured,
    sources: Mapping[str, str],
) -> None:
    if file is None:
        return
    states = {path: _state(path) for path in _watched(place, facts)}
    file.write(json_dumps_compact(codec.to_json(Kept(states, sources, captured))))
    with contextlib.suppress(OSError):  # another one prunes, too
        files = sorted(file.path.parent.glob("environment-*.json"), key=lambda f: f.stat().st_mtime)
        for old in files[:-_KEPT]:
            old.unlink(missing_ok=True)


def _watched(place: EnvironmentSource, facts: imports.InterpreterFacts) -> list[str]:
    """Return the paths whose state changes when something is installed or removed."""
    found = [place.python, os.path.realpath(place.python), f"{facts.prefix}/pyvenv.cfg"]
    top = os.path.realpath(place.repository)
    for folder in facts.path:
        if distributions.relative(folder, top) is not None and not _is_below(folder, facts.prefix):
            continue  # the user's own code changes all the time, and is not the environment
        found.append(folder)
        found += [
            entry.path
            for entry in distributions.entries(folder)
            if entry.name.endswith(".pth") or entry.name.startswith("__editable__")
        ]
    return found


def _state(path: str) -> tuple[int, ...]:
    return distributions.file_state(path) or ()


def _are_as_seen(states: Mapping[str, tuple[int, ...]]) -> bool:
    return all(_state(path) == seen for path, seen in states.items())


def _machine() -> tuple[str, ...]:
    """Return what an interpreter says that no file of its own does: system and C library."""
    here = platform.uname()
    libc = interpreter_script.libc()
    return (here.system, here.node, here.release, here.version, here.machine, libc)


def _is_below(path: str, folder: str) -> bool:
    return distributions.relative(path, folder) is not None


# By name: a variable of such a prefix may be anybody's, and hold anything.
_OF = {
    "OMP": "NUM_THREADS DYNAMIC PROC_BIND PLACES SCHEDULE NESTED MAX_ACTIVE_LEVELS STACKSIZE"
    " WAIT_POLICY THREAD_LIMIT CANCELLATION DEFAULT_DEVICE TARGET_OFFLOAD NUM_TEAMS",
    "KMP": "AFFINITY BLOCKTIME DUPLICATE_LIB_OK DETERMINISTIC_REDUCTION HW_SUBSET STACKSIZE",
    "MKL": "NUM_THREADS DYNAMIC CBWR DEBUG_CPU_TYPE ENABLE_INSTRUCTIONS THREADING_LAYER"
    " INTERFACE_LAYER DOMAIN_NUM_THREADS SERVICE_FORCE_INTEL",
    "OPENBLAS": "NUM_THREADS DEFAULT_NUM_THREADS CORETYPE MAIN_FREE",
    "BLIS": "NUM_THREADS JC_NT IC_NT JR_NT IR_NT PC_NT ARCH_TYPE",
    "NUMEXPR": "NUM_THREADS MAX_THREADS",
    "VECLIB": "MAXIMUM_THREADS",
    "LC": "ALL COLLATE CTYPE MESSAGES MONETARY NUMERIC TIME",
}
_VALUE = re.compile(r"[\w .,:;{}()=@+-]*")  # of these: numbers, words, lists of them
_ALONE = (
    "PYTHONHASHSEED PYTHONUTF8 PYTHONOPTIMIZE CUDA_VISIBLE_DEVICES CUBLAS_WORKSPACE_CONFIG"
    " NVIDIA_TF32_OVERRIDE TF_DETERMINISTIC_OPS XLA_FLAGS NPY_DISABLE_CPU_FEATURES LANG TZ"
    " MALLOC_ARENA_MAX LD_PRELOAD"
)
_NAMES = {f"{prefix}_{name}" for prefix, names in _OF.items() for name in names.split()}
_NAMES |= {*_ALONE.split()}
_MOST = 256  # bytes of a value
_CPU_INFO = Path("/proc/cpuinfo")
GPUS = Path("/proc/driver/nvidia/gpus")
_SIMD = re.compile(r"s?sse|avx|fma|f16c|amx|asimd|neon|sve|sme|bf16|i8mm")
_DRIVER = GPUS.parent / "version"
_QUOTAS = (  # of a control group as its own processes see it: version 2, version 1
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)
_HEAD = 4096  # bytes: the first processor's lines


def machine_account(env: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the user's account, and his home folders, as variables have them."""
    names, homes = ("USER", "LOGNAME", "USERNAME"), ("HOME", "USERPROFILE")
    return tuple(env.get(key, "") for key in names), tuple(env.get(key, "") for key in homes)


def resources(env: Mapping[str, str]) -> Resources:
    """Return host, processor, GPUs and the variables that change numbers; no times."""
    threads = env.get("OMP_NUM_THREADS", "")
    return Resources(
        host=env.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename,
        cpu_model=_cpu("model name"),
        cpu_count=os.cpu_count(),
        gpu=", ".join(_gpus()),
        cpu_flags=" ".join(f for f in _cpu("flags", "Features").split() if _SIMD.match(f)),
        affinity=_affinity(),
        cgroup_cpus=_cgroup_cpus(),
        gpu_driver=_gpu_driver(),
        threads=int(threads) if threads.isdecimal() else None,
        variables=machine_variables(env),
    )


def machine_variables(env: Mapping[str, str]) -> dict[str, str]:
    """Return the allow-listed variables; what is long or looks like an address is left out."""
    found = {}
    for name in sorted(env):
        value = env[name]
        if name not in _NAMES or (name.partition("_")[0] in _OF and not _VALUE.fullmatch(value)):
            continue
        if name == "LD_PRELOAD":
            value = os.pathsep.join(part.rpartition("/")[2] for part in value.split(os.pathsep))
        if len(value) > _MOST or "://" in value or "@" in value or secrets.is_secret_name(name):
            continue
        found[name] = value
    return found


def _cpu(*names: str) -> str:
    """Return what the first of its lines with one of these names says of the processor."""
    for line in _head(_CPU_INFO).split("\n"):
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""


def _affinity() -> str:
    """Return the processors that this process may use, "" where that is all of them.

    >>> ranges([0, 1, 2, 5])
    '0-2,5'
    """
    if not hasattr(os, "sched_getaffinity"):
        return ""
    mine = sorted(os.sched_getaffinity(0))
    return "" if len(mine) == os.cpu_count() else ranges(mine)


def ranges(numbers: Iterable[int]) -> str:
    """Write sorted numbers as Linux does."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def _cgroup_cpus() -> float | None:
    """Return how many processors the control group may use at a time, None for no limit."""
    for files in _QUOTAS:
        try:
            quota, period = " ".join(Path(file).read_text("ascii") for file in files).split()
            return round(int(quota) / int(period), 3) if int(quota) > 0 else None
        except (OSError, ValueError, ZeroDivisionError):  # "max": none is set
            continue
    return None


def _gpu_driver() -> str:
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d[\w.]*)", _head(_DRIVER))
    return "" if found is None else found[1]


def _gpus() -> list[str]:
    try:
        texts = [_head(file) for file in sorted(GPUS.glob("*/information"))]
    except OSError:
        return []
    lines = (line for text in texts for line in text.split("\n"))
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]


def _head(file: Path) -> str:
    """Return the beginning of what the system says in a file; "" where it does not."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_HEAD)
    except OSError:
        return ""


_SHELL_OPTIONS = {"bash": ("--noprofile", "--norc"), "zsh": ("--no-rcs",)}
_GIT_COUNT = "GIT_CONFIG_COUNT"


def job_variables(
    job: Job, worktree: Path, own: Mapping[str, str], inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return all variables of a job's commands, with `own` such as GITEXP_POINTS."""
    env = {name: value for name, value in inherited.items() if name not in LOCAL_VARIABLES}
    project = worktree / job.project
    folder = os.path.dirname(job.python)  # noqa: PTH120  a lone name has no folder
    env["PATH"] = os.pathsep.join(filter(None, (folder, env.get("PATH", os.defpath))))
    environment = os.path.dirname(folder)  # noqa: PTH120
    if os.path.exists(f"{environment}/pyvenv.cfg"):  # noqa: PTH110
        env["VIRTUAL_ENV"] = environment
        env["UV_PROJECT_ENVIRONMENT"] = environment
    elif "UV_PROJECT_ENVIRONMENT" in env:  # relative to a project that is somewhere else now
        env["UV_PROJECT_ENVIRONMENT"] = os.path.normpath(
            Path(job.repository, env["UV_PROJECT_ENVIRONMENT"])
        )
    # `uv run` would install the worktree's project into the user's own environment.
    env["UV_NO_SYNC"] = "1"
    path = imports.python_path(
        job.import_paths, worktree, job.repository, env.get("PYTHONPATH", "")
    )
    if path:
        env["PYTHONPATH"] = path
    else:
        env.pop("PYTHONPATH", None)
    _add_git(env)
    env["PYTHONHASHSEED"] = "0"
    env["DVC_ROOT"] = str(project)
    env["GITEXP_SEED"] = str(job.seed)
    env["GITEXP_RUN"] = job.run
    env["GITEXP_PROJECT"] = str(project)
    env.update(own)
    env.update(job.variables)
    return env


def shell(command: str, env: Mapping[str, str]) -> list[str]:
    """Return the argument list that runs one command.

    >>> shell("python train.py", {"SHELL": "/usr/bin/bash"})
    ['/usr/bin/bash', '--noprofile', '--norc', '-c', 'python train.py']
    """
    program = env.get("SHELL") or "/bin/sh"
    options = _SHELL_OPTIONS.get(program.rpartition("/")[2].lower(), ())
    return [program, *options, "-c", command]


def commands(stage: Stage, job: Job) -> tuple[str, ...]:
    """Return the commands of a stage as DVC runs them, by lines; the last gets the seed."""
    found = list(stage.commands)
    if not stage.listed:
        found = [line for text in found for line in text.splitlines()]  # as DVC
    found = [line for line in found if line.strip()]
    if job.seed_arg is not None and found:
        found[-1] = f"{found[-1].rstrip()} {job.seed_arg.replace('{seed}', str(job.seed))}"
    return tuple(found)


def _add_git(env: dict[str, str]) -> None:
    """Add our settings for git to those that are handed down the same way."""
    start = int(count) if (count := env.get(_GIT_COUNT, "")).isdecimal() else 0
    for number in range(int(JOB_VARIABLES[_GIT_COUNT])):
        for part in ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"):
            env[f"{part}{start + number}"] = JOB_VARIABLES[f"{part}{number}"]
    env[_GIT_COUNT] = str(start + int(JOB_VARIABLES[_GIT_COUNT]))
