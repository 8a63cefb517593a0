"""What is worth a curve: running figures over the traces so far."""

from __future__ import annotations

from collections import Counter

from constitutional import Trace


class Figures:
    def __init__(self) -> None:
        self._prompts = self._pairs = self._failed = 0
        self._margin = self._longer = 0.0
        self._rejects: Counter[str] = Counter()

    def add(self, trace: Trace) -> None:
        self._prompts += 1
        self._failed += trace.failed
        self._rejects.update(reject.reason for reject in trace.rejects)
        for pair in trace.pairs:
            self._pairs += 1
            self._margin += pair.margin
            self._longer += len(pair.chosen.text) > len(pair.rejected.text)

    def now(self) -> dict[str, float]:
        """Name → value; means are over the pairs so far."""
        shown: dict[str, float] = {"prompts": self._prompts, "pairs": self._pairs, "failed": self._failed}
        if self._pairs:
            shown |= {"margin": self._margin / self._pairs, "chosen_longer": self._longer / self._pairs}
        return shown | {f"rejects/{reason}": count for reason, count in sorted(self._rejects.items())}
