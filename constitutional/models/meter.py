"""What was asked, by whom, what it cost, and when it is enough."""

from __future__ import annotations

from dataclasses import dataclass, field

from constitutional.core.messages import Usage
from constitutional.errors import RunStoppedError
from constitutional.ledger import LedgerView


@dataclass(slots=True)
class RoleCount:
    made: int = 0
    reused: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """Money per million tokens."""

    input: float = 0.0
    output: float = 0.0
    cached: float = 0.0

    def of(self, usage: Usage) -> float:
        fresh = usage.prompt - usage.cached
        full = fresh * self.input + usage.cached * self.cached + usage.completion * self.output
        return usage.share * full / 1e6


@dataclass(slots=True)
class Meter:
    """Counts per (role, model); refuses the next call once a budget is used up or the run is stopping.

    The budgets are the run folder's, not one session's: ``of_folder`` begins with what the ledger holds.
    A call that is in flight when the budget is reached is paid for, so it is kept and counted: with N calls in flight the
    cost can pass ``max_cost`` by at most N calls, while ``max_calls`` is exact."""

    max_calls: int | None = None
    max_cost: float | None = None
    counts: dict[tuple[str, str], RoleCount] = field(default_factory=dict)
    started: int = 0
    cost: float = 0.0
    stopping: str | None = None
    """Why no further call may start."""

    @classmethod
    def of_folder(cls, view: LedgerView, max_calls: int | None, max_cost: float | None) -> Meter:
        """The ledger is looked through only where there is a budget."""
        if max_calls is None and max_cost is None:
            return cls()
        calls, cost = view.spent()
        return cls(max_calls, max_cost, started=calls, cost=cost)

    def admit(self) -> None:
        """Called before each call to a model."""
        if self.stopping is None and self.max_calls is not None and self.started >= self.max_calls:
            self.stopping = f"the budget of {self.max_calls} calls is used up"
        if self.stopping is None and self.max_cost is not None and self.cost >= self.max_cost:
            self.stopping = f"the budget of {self.max_cost:g} is used up"
        if self.stopping is not None:
            raise RunStoppedError(self.stopping)
        self.started += 1

    def made(self, role: str, model: str, usage: Usage, cost: float) -> None:
        count = self._count(role, model)
        count.made += 1
        count.prompt += usage.prompt
        count.completion += usage.completion
        count.cached += usage.cached
        count.cost += cost
        self.cost += cost

    def reused(self, role: str, model: str) -> None:
        self._count(role, model).reused += 1

    def _count(self, role: str, model: str) -> RoleCount:
        key = (role, model)
        if key not in self.counts:
            self.counts[key] = RoleCount()
        return self.counts[key]

    @property
    def calls_made(self) -> int:
        return sum(count.made for count in self.counts.values())

    @property
    def calls_reused(self) -> int:
        return sum(count.reused for count in self.counts.values())
