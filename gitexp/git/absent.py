"""What is not there, as a value: ``None`` would have to mean two things."""

from __future__ import annotations

import enum
from typing import Final


class Absent(enum.Enum):
    """The type with the single value `ABSENT`; narrow with ``is ABSENT``."""

    ABSENT = "absent"

    def __bool__(self) -> bool:
        """Return False, so that ``x or default`` reads well."""
        return False


ABSENT: Final = Absent.ABSENT
