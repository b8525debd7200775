"""A program given to the *project's* interpreter with ``-c``; prints one line of JSON.

It may be any Python from 3.8 on, with any packages, so this text uses the standard library alone
and imports nothing of the project. Standard input: a JSON list of module names to locate.
"""

import importlib.util
import json
import os
import sys
import sysconfig

sys.path = [entry for entry in sys.path if entry]  # "-c" puts "" in front, a script does not


def where(name: str) -> str:
    """Return the file or folder that importing `name` would take, "" where there is none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return ""
    if spec is None:
        return ""
    if spec.origin and spec.origin not in ("built-in", "frozen", "namespace"):
        return spec.origin
    return next(iter(spec.submodule_search_locations or ()), "")


def libc() -> str:
    """Return name and version of the C library, "" where the system does not tell."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""


if __name__ == "__main__":
    names = json.load(sys.stdin)
    version = ".".join(map(str, sys.version_info[:3]))
    final = sys.version_info[3] == "final"
    answer = {
        "implementation": sys.implementation.name,
        "python": version if final else version + sys.version_info[3] + str(sys.version_info[4]),
        "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag or "",
        "platform": sysconfig.get_platform(),
        "libc": libc(),
        "prefix": os.path.realpath(sys.prefix),
        "path": [os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100  Python 3.8
        "modules": {name: where(name) for name in names},
    }
    sys.stdout.write("\n" + json.dumps(answer))
