"""An arena over a table: every score and every verdict is given, and what was asked is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.grading import Grade
from constitutional.core.records import Message, Prompt, Reject, Response, Ruling, TierOpinion
from constitutional.models.scripted import ScriptedModel, ScriptedOptions
from constitutional.plugins import PluginHost
from constitutional.roles import ModelSetup, Pairing, Setup
from constitutional.templates import Templates

TIERS = ("safety", "truth", "style")
CONSTITUTION = Constitution(
    "words", "1", tuple(Tier(name, "strong", (Principle(name, f"avoid {name}"),)) for name in TIERS)
)


@dataclass
class Table:
    """Response ``p.i`` has the text ``texts[i]`` and the tiers ``grades[i]``; ``prefers[i, j]`` is P(i is better)."""

    grades_of: Sequence[Mapping[str, float] | None]
    prefers: Mapping[tuple[int, int], float | None] = field(default_factory=dict)
    violating: frozenset[int] = frozenset()
    opinions: Mapping[tuple[int, int], tuple[TierOpinion, ...]] = field(default_factory=dict)
    texts: Sequence[str] = ()
    name: str = "p"
    scored: list[str] = field(default_factory=list)
    compared: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        texts = self.texts or [f"answer {n}" for n in range(len(self.grades_of))]
        self.prompt = Prompt(self.name, (Message("user", "?"),))
        self.responses = tuple(
            Response(f"{self.name}.{n}", self.name, text, "m", n, f"call {n}") for n, text in enumerate(texts)
        )
        self.final: Mapping[str, Response] = {response.id: response for response in self.responses}
        self.unresolved = frozenset(self.responses[place].id for place in self.violating)

    @property
    def values(self) -> list[float | None]:
        return [None if tiers is None else sum(tiers.values()) / len(tiers) for tiers in self.grades_of]

    async def value(self, response: Response) -> float | None:
        self.scored.append(response.id)
        return self.values[response.sample]

    async def grades(self, responses: Sequence[Response]) -> list[Grade | None]:
        self.scored += [response.id for response in responses]
        found = [(self.values[response.sample], self.grades_of[response.sample]) for response in responses]
        return [None if value is None or tiers is None else Grade(value, tiers) for value, tiers in found]

    async def compare(self, a: Response, b: Response) -> Ruling:
        one, other = a.sample, b.sample
        self.compared.append((one, other))
        if (one in self.violating) != (other in self.violating):
            certain = 0.0 if one in self.violating else 1.0
            return Ruling(a.id, b.id, certain, "safety", self._opinions(one, other), vetoed_by="safety")
        p = self.p(one, other)
        opinions = self._opinions(one, other)
        return Ruling(a.id, b.id, None if p == 0.5 else p, "safety" if p not in (None, 0.5) else None, opinions)

    def p(self, one: int, other: int) -> float | None:
        if (one, other) in self.prefers:
            return self.prefers[one, other]
        turned = self.prefers.get((other, one), 0.5)
        return None if turned is None else 1 - turned

    def _opinions(self, one: int, other: int) -> tuple[TierOpinion, ...]:
        if (one, other) in self.opinions:
            return self.opinions[one, other]
        p = self.p(one, other)
        return () if p is None else (TierOpinion("safety", p),)


HOST, TEMPLATES = PluginHost(), Templates()
MODEL = ScriptedModel(ModelSetup("scripted", "demo", ScriptedOptions()))


def strategy(name: str, seed: int = 0, **options: object) -> Pairing:
    registered = HOST.get("pairing", name)
    setup = Setup(name, registered.options(dict(options), "strategy"), MODEL, TEMPLATES, CONSTITUTION, seed)
    made: Pairing = registered.factory(setup)
    return made


def ask(pairing: Pairing, table: Table) -> tuple[list[Ruling], list[Reject]]:
    found = asyncio.run(_ask(pairing, table))
    return [x for x in found if isinstance(x, Ruling)], [x for x in found if isinstance(x, Reject)]


async def _ask(pairing: Pairing, table: Table) -> Sequence[Ruling | Reject]:
    return await pairing.pair(table)


def places(ruling: Ruling) -> tuple[int, int]:
    return int(ruling.a.rsplit(".", 1)[1]), int(ruling.b.rsplit(".", 1)[1])
