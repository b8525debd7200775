"""Names for hashes and ids, so that one cannot be passed where another is meant; and for none.

A value of these types is made only where it is checked: by the room that resolved or computed it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Final, Literal, NewType

CommitHash = NewType("CommitHash", str)  # 40 (or 64) lower-case hex digits, an existing commit
TreeId = NewType("TreeId", str)
BlobId = NewType("BlobId", str)
InputsDigest = NewType("InputsDigest", str)  # sha256 hex, rules ``inputs@1``
EnvironmentDigest = NewType("EnvironmentDigest", str)  # sha256 hex of environment.json
PlanDigest = NewType("PlanDigest", str)  # sha256 hex of what binds in a plan
EvaluationDigest = NewType("EvaluationDigest", str)  # sha256 hex
Sha256 = NewType("Sha256", str)  # of anything else, in hex
Md5 = NewType("Md5", str)  # as DVC writes it; a directory's ends in ".dir"
RunId = NewType("RunId", str)  # 16 characters of lower-case base32


class Absent(enum.Enum):
    """What is not there, where ``None`` would mean two things; narrow with ``is ABSENT``."""

    ABSENT = "absent"

    def __bool__(self) -> Literal[False]:
        """Return False, so that ``x or default`` reads well."""
        return False


ABSENT: Final = Absent.ABSENT

# What each looks like.
GIT_ID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
MD5: Final = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
RUN_ID: Final = re.compile(r"[a-z2-7]{16}")

Scalar = str | int | float | bool | None
ParamValue = Scalar | tuple["ParamValue", ...]  # a params leaf; an empty mapping is not a leaf
# What a key of a params file may name: a leaf or a whole section, as dvc.lock records either.
ParamTree = Scalar | tuple["ParamTree", ...] | Mapping[str, "ParamTree"]
