"""Git-native experiments: record a hypothesis, run it, compare commits honestly."""

from __future__ import annotations

__version__ = "0.1.0"
