"""Property tests of numerical code have no deadline: a busy machine is no failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("stats", deadline=None)
settings.load_profile("stats")
