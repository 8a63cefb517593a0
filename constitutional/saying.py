"""Lines for people while long work goes on: whoever does the work is given where they go."""

from __future__ import annotations

import sys
from collections.abc import Callable

Say = Callable[[str], None]


def say(line: str) -> None:
    """On stderr: stdout is for results."""
    print(line, file=sys.stderr, flush=True)


def silent(_: str) -> None:
    """Says nothing."""


def aloud(line: str) -> None:
    """On stderr: from where nobody was given anything better."""
    print(line, file=sys.stderr)
