"""The machine a repeat ran on: recorded beside the environment, never part of its digest."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.model.run import Resources
from gitexp.staging import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIXES = (
    "OMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_", "VECLIB_", "LC_",
)  # fmt: skip
_NAMES = frozenset(
    {
        "PYTHONHASHSEED",
        "PYTHONUTF8",
        "PYTHONOPTIMIZE",
        "CUDA_VISIBLE_DEVICES",
        "CUBLAS_WORKSPACE_CONFIG",
        "NVIDIA_TF32_OVERRIDE",
        "TF_DETERMINISTIC_OPS",
        "XLA_FLAGS",
        "NPY_DISABLE_CPU_FEATURES",
        "LANG",
        "TZ",
        "MALLOC_ARENA_MAX",
        "LD_PRELOAD",
    }
)
_MOST = 256  # bytes of a value
_CPU_INFO = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")
_HEAD = 4096  # bytes: the first processor's lines


def account(env: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the user's account, and his home folders, as variables have them."""
    names, homes = ("USER", "LOGNAME", "USERNAME"), ("HOME", "USERPROFILE")
    return tuple(env.get(key, "") for key in names), tuple(env.get(key, "") for key in homes)


def resources(env: Mapping[str, str]) -> Resources:
    """Return host, processor, GPUs and the variables that change numbers; no times.

    Parameters
    ----------
    env : mapping
        The job's variables.
    """
    threads = env.get("OMP_NUM_THREADS", "")
    return Resources(
        host=env.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename,
        cpu_model=_cpu_model(),
        cpu_count=os.cpu_count(),
        gpu=", ".join(_gpus()),
        threads=int(threads) if threads.isdigit() else None,
        variables=variables(env),
    )


def variables(env: Mapping[str, str]) -> dict[str, str]:
    """Return the allow-listed variables; what is long or looks like an address is left out."""
    found = {}
    for name in sorted(env):
        if name not in _NAMES and not name.startswith(_PREFIXES):
            continue
        value = env[name]
        if name == "LD_PRELOAD":
            value = os.pathsep.join(part.rpartition("/")[2] for part in value.split(os.pathsep))
        if len(value) > _MOST or "://" in value or "@" in value or secrets.is_secret_name(name):
            continue
        found[name] = value
    return found


def _cpu_model() -> str:
    try:
        with _CPU_INFO.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
    except OSError:
        return ""
    for line in head.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""


def _gpus() -> list[str]:
    try:
        files = sorted(_GPUS.glob("*/information"))
        texts = [file.read_text("utf-8", "replace") for file in files]
    except OSError:
        return []
    return [
        line.partition(":")[2].strip()
        for text in texts
        for line in text.splitlines()
        if line.startswith("Model:")
    ]
