"""``generate --log-json``: what happens in a run, one JSON object a line on stderr, in place of the live display."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

from constitutional.core.records import Reject
from constitutional.models.meter import RoleCount
from constitutional.pipeline.state import RunState


class Log:
    """Lines are written whole, whoever writes them. ``to`` is stderr unless a test says otherwise."""

    def __init__(self, to: TextIO | None = None) -> None:
        self._to = to or sys.stderr
        self._lock = threading.Lock()

    def say(self, event: str, level: str = "info", **more: Any) -> None:
        """ASCII alone: no text of a model can break a line or reach a terminal."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": at, "level": level, "event": event} | more, default=str)
        with self._lock:
            self._to.write(line + "\n")
            self._to.flush()

    def begin(self, state: RunState) -> None:
        state.on_failure = self._failed
        self.say(
            "started",
            prompts_expected=state.total,
            models=sorted({throttle.name for throttle in state.throttles.values()}),
        )

    def progress(self, state: RunState) -> None:
        self.say("progress", **figures(state))

    def _failed(self, reject: Reject) -> None:
        self.say("prompt_failed", "warning", prompt_id=reject.prompt_id, reason=reject.reason, detail=reject.detail)


def figures(state: RunState) -> dict[str, Any]:
    total = RoleCount()
    for count in state.meter.counts.values():
        total.prompt += count.prompt
        total.completion += count.completion
        total.cost += count.cost
    left = state.seconds_left
    return {
        "prompts": state.prompts,
        "prompts_expected": state.total,
        "prompts_per_second": round(state.rate, 3),
        "seconds_left": None if left is None else round(left, 1),
        "pairs": state.pairs,
        "failures": state.failures,
        "rejects": dict(state.rejects.most_common()),
        "calls": state.meter.calls_made,
        "calls_reused": state.meter.calls_reused,
        "prompt_tokens": total.prompt,
        "completion_tokens": total.completion,
        "cost": round(total.cost, 6),
        "in_flight": sum(throttle.active for throttle in state.throttles.values()),
        "waiting": sum(throttle.waiting for throttle in state.throttles.values()),
    }
