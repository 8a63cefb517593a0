"""A run folder as commands that look at it see it."""

from __future__ import annotations

from constitutional.pipeline.opened import CURRENT, OpenRun, open_run

__all__ = ["CURRENT", "OpenRun", "open_run"]
