"""All guards of one stage: which fired, when, with which figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from constitutional.training.guards.rules import Line, Rule, rule_of
from constitutional.training.guards.spec import GuardSpec

FIRED_BY = "guard "
"""How the reason of a training that a guard ended begins."""


@dataclass(slots=True)
class Account:
    """Of one guard."""

    spec: GuardSpec
    rule: Rule
    first: int | None = None
    """The step at which it fired first."""
    times: int = 0
    worst: float | None = None
    said: str = ""
    """What it said of the worst it fired on."""

    def see(self, line: Line) -> str | None:
        """What is to be said now: of the first time only."""
        finding = self.rule.see(line)
        if finding is None:
            return None
        worse = self.worst is None or finding.figure >= self.worst
        self.worst = finding.figure if worse else self.worst
        if finding.said is None:
            return None
        self.said = finding.said if worse or not self.said else self.said
        self.times += 1
        if self.first is not None:
            return None
        self.first = int(line.get("step", 0))
        return finding.said

    def row(self) -> list[str]:
        """For the table."""
        spec = self.spec
        fired = "quiet" if self.first is None else f"step {self.first}, {self.times}×"
        worst = "" if self.worst is None else f"{self.worst:.3g}"
        return [
            spec.name, spec.about, spec.action, "" if spec.threshold is None else f"{spec.threshold:g}", worst,
            "off" if not spec.on else "not measured" if self.worst is None else fired,
        ]  # fmt: skip


@dataclass(slots=True)
class Watch:
    accounts: dict[str, Account] = field(default_factory=dict)

    @classmethod
    def of(cls, specs: Mapping[str, GuardSpec], tokens: float = 1.0, held_out: int = 0) -> Watch:
        """``tokens``: of an answer, on average; ``held_out``: how many rows, 0 where that is not known."""
        return cls(
            {
                name: Account(spec, rule_of(name, spec.threshold or 0.0, max(tokens, 1.0), held_out))
                for name, spec in specs.items()
            }
        )

    def see(self, line: Line) -> list[tuple[GuardSpec, str]]:
        """The guards that fire for the first time at this line of the log, and what they say."""
        found = [(account.spec, account.see(line)) for account in self.accounts.values() if account.spec.on]
        return [(spec, said) for spec, said in found if said is not None]

    def on(self, name: str) -> bool:
        return self.accounts[name].spec.on

    @property
    def fired(self) -> list[dict[str, Any]]:
        """As JSON, in the order in which they fired."""
        some = [account for account in self.accounts.values() if account.first is not None]
        return [
            {
                "guard": account.spec.name, "action": account.spec.action, "step": account.first,
                "times": account.times, "worst": account.worst, "said": account.said,
            }
            for account in sorted(some, key=lambda account: account.first or 0)
        ]  # fmt: skip

    def table(self, stage: str) -> dict[str, Any]:
        """For the model card."""
        head = ["guard", "watches", "action", "threshold", "worst seen", "fired"]
        return {
            "title": f"Guards of `{stage}`",
            "head": head,
            "rows": [account.row() for account in self.accounts.values()],
        }


def ended_by_guard(stopped: str) -> bool:
    return stopped.startswith(FIRED_BY)
