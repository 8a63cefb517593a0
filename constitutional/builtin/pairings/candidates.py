"""Who takes part: the answers to a prompt that may be set against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.pairing import EQUAL, Values
from constitutional.core.records import Reason, Reject, Response
from constitutional.roles import Arena

Among = Literal["all", "sampled", "final"]


class AmongOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    among: Among = Field(
        default="all",
        description="Which answers take part: `sampled` ones, their `final` texts after revision, or `all` of both.",
    )


@dataclass(frozen=True, slots=True)
class Candidates:
    """Answers of different texts. Those in ``barred`` violate a hard principle and are never chosen."""

    prompt_id: str
    responses: tuple[Response, ...]
    barred: frozenset[int]

    @property
    def fruitless(self) -> list[Reject] | None:
        """Why no label can come of them, before anything is asked; None where one can."""
        if len(self.responses) < 2:
            return []
        if len(self.barred) == len(self.responses):
            return [self.reject(Reason.UNRESOLVED, f"all {len(self.responses)} answers violate a hard principle")]
        return None

    def reject(self, reason: str, detail: str) -> Reject:
        return Reject(self.prompt_id, reason, detail)

    def unranked(self, values: Values) -> Reject:
        """Why there is no best and no worse one among these scores."""
        known = [value for value in values if value is not None]
        if not known:
            return self.reject(Reason.ABSTAINED, f"none of {len(values)} answers could be scored")
        scored = f"{len(known)} of {len(values)} answers"
        if len(known) == 1 or max(known) - min(known) <= EQUAL:
            return self.reject(Reason.NO_COMPARISON, f"{scored} could be scored, all {known[0]:.3f}")
        return self.reject(Reason.NO_COMPARISON, "no answer scores lower than the best one that may be chosen")


def candidates(arena: Arena, among: Among = "all") -> Candidates:
    """Revised answers first. Of answers with one text the first takes part; it is barred if any of them is."""
    final, sampled = list(arena.final.values()), list(arena.responses)
    barred = {item.text for item in (*final, *sampled) if item.id in arena.unresolved}
    found: dict[str, Response] = {}
    for response in {"all": final + sampled, "sampled": sampled, "final": final}[among]:
        found.setdefault(response.text, response)
    places = frozenset(place for place, text in enumerate(found) if text in barred)
    return Candidates(arena.prompt.id, tuple(found.values()), places)


def count(among: Among, sampled: int, revised: int) -> int:
    """How many take part, at most."""
    return sampled + revised if among == "all" else sampled
