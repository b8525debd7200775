"""The digest of an environment, the requirements.txt beside it, and what changed in it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from gitexp.model.comparison import Change
from gitexp.model.ids import EnvironmentDigest
from gitexp.records import codec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.run import Environment

SYSTEM: Final = ("implementation", "python", "abi", "platform", "libc")


def digest(environment: Environment) -> EnvironmentDigest:
    """Compute the environment digest."""
    return EnvironmentDigest(hashlib.sha256(codec.dump(environment)).hexdigest())


def requirements(environment: Environment) -> bytes:
    """Write ``name==version`` for each distribution; one inside the repository as a comment.

    >>> from gitexp.model.run import Distribution, Environment
    >>> env = Environment("cpython", "3.12.1", "cp312", "linux_x86_64", "glibc 2.36", (
    ...     Distribution("churn", "0.1", "", "src"), Distribution("numpy", "2.1.0", "ab")))
    >>> print(requirements(env).decode(), end="")
    # cpython 3.12.1 on linux_x86_64, written by gitexp
    # churn 0.1 lies in this repository: src
    numpy==2.1.0
    """
    system = f"{environment.implementation} {environment.python} on {environment.platform}"
    lines = [f"# {system}, written by gitexp"]
    for item in environment.distributions:
        if item.path:
            lines.append(f"# {item.name} {item.version} lies in this repository: {item.path}")
        else:
            lines.append(f"{item.name}=={item.version}")
    return "".join(f"{' '.join(line.split())}\n" for line in lines).encode()


def environment_changes(one: Environment, two: Environment) -> Iterator[Change]:
    """Yield what of the system and which distributions differ."""
    for name in SYSTEM:
        if getattr(one, name) != getattr(two, name):
            yield Change("environment", name, getattr(one, name), getattr(two, name))
    left = {item.name: item for item in one.distributions}
    right = {item.name: item for item in two.distributions}
    for name in sorted(left.keys() | right.keys()):
        a, b = left.get(name), right.get(name)
        if a == b:
            continue
        shown = ["" if item is None else item.version for item in (a, b)]
        if a is not None and b is not None and a.version == b.version:
            shown = [f"{item.version} ({item.fingerprint[:7] or item.path})" for item in (a, b)]
        yield Change("environment", name, shown[0], shown[1])
