"""How a run is going: what the live display shows and the summary says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from constitutional.core.records import Reason, Reject, Trace
from constitutional.models.batches.desk import Desk
from constitutional.models.meter import Meter
from constitutional.models.throttle import Throttle
from constitutional.pipeline.ray.pool import RayPool
from constitutional.roles import RunResult

JUDGED_OVER = 100
"""Prompts over which the failure rate is judged while a run goes on: three failures of the first ten are no trend, and
eleven are more than a tenth of any hundred."""


@dataclass(slots=True)
class RunState:
    meter: Meter
    throttles: dict[str, Throttle] = field(default_factory=dict)
    total: int | None = None
    prompts: int = 0
    """Finished in this session or an earlier one."""
    kept: int = 0
    """Of these, finished by an earlier session."""
    pairs: int = 0
    failures: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    tags: set[str] = field(default_factory=set)
    """Of the prompts."""
    warnings: list[str] = field(default_factory=list)
    """What a complete run has shown to be odd in its settings."""
    desks: Sequence[Desk] = ()
    """Where requests wait for providers' batches."""
    pool: RayPool | None = None
    """The replicas that make the traces, where it is not this process."""
    began: float = field(default_factory=monotonic)
    on_failure: Callable[[Reject], None] | None = None
    """Told of everything that goes wrong with a prompt."""

    def traced(self, trace: Trace) -> None:
        self.prompts += 1
        self.pairs += len(trace.pairs)
        self.failures += trace.failed
        self.rejects.update(reject.reason for reject in trace.rejects)
        if self.on_failure is not None:
            for reject in trace.rejects:
                if reject.failure:
                    self.on_failure(reject)

    def was_traced(self, pairs: int, reasons: list[str], failed: bool) -> None:
        self.prompts += 1
        self.kept += 1
        self.pairs += pairs
        self.failures += failed
        self.rejects.update(reasons)

    def bad_row(self, reason: str) -> None:
        self.rejects[reason] += 1
        if reason not in Reason.OUTCOMES:
            self.failures += 1

    @property
    def seen(self) -> int:
        """Prompts and bad rows: what the failure rate is a share of. A repeated prompt is neither."""
        return self.prompts + self.rejects[Reason.BAD_ROW]

    def failing(self, limit: float, *, finished: bool) -> bool:
        return self.failures > limit * (self.seen if finished else self.judged_over)

    @property
    def judged_over(self) -> int:
        """How many prompts the failures are a share of, while the run goes on."""
        return max(self.seen, min(JUDGED_OVER, self.total or JUDGED_OVER))

    def result(self, status: str, message: str) -> RunResult:
        """Where the run ends now."""
        return RunResult(
            status,
            self.prompts,
            self.pairs,
            dict(sorted(self.rejects.items())),
            self.failures,
            self.meter.calls_made,
            self.meter.calls_reused,
            message,
        )

    @property
    def rate(self) -> float:
        """Prompts a second in this session."""
        elapsed = monotonic() - self.began
        return (self.prompts - self.kept) / elapsed if elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        if self.total is None or self.rate <= 0:
            return None
        return max(0.0, self.total - self.prompts - self.rejects[Reason.BAD_ROW]) / self.rate
