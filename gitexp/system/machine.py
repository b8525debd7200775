"""The machine a repeat ran on: recorded beside the environment, never part of its digest."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.model.run import Resources
from gitexp.system import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_NAMES = frozenset(
    {
        *(f"{prefix}_{name}" for prefix, names in _OF.items() for name in names.split()),
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
    """Return host, processor, GPUs and the variables that change numbers; no times."""
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
        value = env[name]
        if name not in _NAMES or (name.partition("_")[0] in _OF and not _VALUE.fullmatch(value)):
            continue
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
