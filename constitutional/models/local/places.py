"""How many calls keep an engine busy and leave its prefix cache whole.

An engine that is given everything at once forgets what it will need: while the rest of a prompt's calls queue behind a
thousand others, the blocks that the first of them filled are given to those, and are computed again. One that is given too
few works on small batches. So half of the cache is for the calls that are answered, and half for the beginnings of those
to come. What a call takes of it is what was not in the cache already, as measured."""

from __future__ import annotations

LEAST = 16
SHARE = 0.5
QUEUE = 2
"""At most this many for each request that the engine works on at once: some always wait, and no step runs short."""
MEMORY = 1 / 256
"""Weight of the newest call in the mean."""


class Places:
    """Of one engine."""

    def __init__(self) -> None:
        self._tokens: float | None = None
        """New to the cache with one call, in the mean."""

    def note(self, tokens: int) -> None:
        """A call was answered that put so many tokens into the cache."""
        before = float(tokens) if self._tokens is None else self._tokens
        self._tokens = before + MEMORY * (tokens - before)

    def of(self, cache: int | None, at_once: int) -> int | None:
        """``cache``: how many tokens it holds, where the engine tells; ``at_once``: requests in one step. None: nothing was
        answered yet."""
        if self._tokens is None:
            return None
        most = QUEUE * at_once
        if not cache:
            return most
        return max(min(LEAST, most), min(most, int(SHARE * cache / max(1.0, self._tokens))))
