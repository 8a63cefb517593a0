"""An arena over a table, for strategies: every score and every ruling is given, and what was asked is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from constitutional.core.grading import Grade
from constitutional.core.records import Prompt, Response, Ruling, TierOpinion
from constitutional.testing.material import ANSWERS, prompt, response


@dataclass
class TableArena:
    """Implements ``roles.Arena``. ``marks`` are the overall scores; the better mark wins a comparison, a tie is a tie."""

    texts: Sequence[str]
    marks: Sequence[float | None]
    barred: frozenset[int] = frozenset()
    revised: Mapping[int, str] = field(default_factory=dict)
    waits: int = 0
    """Turns of the event loop that an answer takes."""
    prompt: Prompt = field(default_factory=prompt)
    ruled: list[Ruling] = field(default_factory=list)
    valued: set[str] = field(default_factory=set)
    compared: set[frozenset[str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        made = [response(text, f"{n}", self.prompt) for n, text in enumerate(self.texts)]
        again = {n: response(text, f"{n}.v1", self.prompt) for n, text in self.revised.items()}
        self.responses: tuple[Response, ...] = tuple(made)
        self.final: Mapping[str, Response] = {item.id: again.get(n, item) for n, item in enumerate(made)}
        self.unresolved = frozenset(made[n].id for n in self.barred)
        self._marks = {item.id: mark for item, mark in zip(made, self.marks, strict=True)}
        self._marks |= {item.id: min(1.0, (self.marks[n] or 0.0) + 0.1) for n, item in again.items()}

    async def value(self, response: Response) -> float | None:
        await self._wait()
        self.valued.add(response.id)
        return self._marks[response.id]

    async def grades(self, responses: Sequence[Response]) -> list[Grade | None]:
        marks = [await self.value(item) for item in responses]
        return [None if mark is None else Grade(mark, {"style": mark}) for mark in marks]

    async def compare(self, a: Response, b: Response) -> Ruling:
        await self._wait()
        self.compared.add(frozenset((a.id, b.id)))
        ruling = self._rule(a, b)
        self.ruled.append(ruling)
        return ruling

    def _rule(self, a: Response, b: Response) -> Ruling:
        if (a.id in self.unresolved) != (b.id in self.unresolved):
            p = float(b.id in self.unresolved)
            return Ruling(a.id, b.id, p, "safety", vetoed_by="safety")
        one, other = self._marks[a.id], self._marks[b.id]
        if one is None or other is None:
            return Ruling(a.id, b.id, None, None, abstained_because="no readable verdict")
        p = 0.5 + (one - other) / 2
        opinions = (TierOpinion("style", p),)
        if one == other:
            return Ruling(a.id, b.id, None, None, opinions, abstained_because="every tier ties")
        return Ruling(a.id, b.id, p, "style", opinions)

    async def _wait(self) -> None:
        for _ in range(self.waits):
            await asyncio.sleep(0)


def arenas(pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Callable[[], TableArena]]]:
    """Arenas of all sorts: no answers to compare, all alike, all barred, none that could be scored, ordinary ones."""
    four = tuple(ANSWERS)
    yield "one answer", partial(TableArena, four[:1], (0.5,))
    yield "four answers", partial(TableArena, four, (0.9, 0.2, 0.6, 0.4))
    yield "a revised answer", partial(TableArena, four[:2], (0.4, 0.2), revised={1: "Boil it."})
    yield "all equal", partial(TableArena, four, (0.5, 0.5, 0.5, 0.5))
    yield "nothing readable", partial(TableArena, four, (None, None, None, None))
    yield "some unreadable", partial(TableArena, four, (None, 0.3, None, 0.8))
    yield "one text four times", partial(TableArena, ("Same.",) * 4, (0.5,) * 4)
    yield "one barred", partial(TableArena, four, (0.9, 0.2, 0.6, 0.4), frozenset({0}))
    yield "all barred", partial(TableArena, four, (0.9, 0.2, 0.6, 0.4), frozenset(range(4)))
    for a, b in pairs:
        yield f"{a[:20]!r} and {b[:20]!r}", partial(TableArena, (a, b), (0.8, 0.1))
