"""Checks of judges, scorers and strategies alone: symmetry, monotonicity, and no more questions than were announced."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from constitutional.core.records import Judgement, Score
from constitutional.roles import PlannedPairing, settled
from constitutional.testing.checks.answers import judged, scored
from constitutional.testing.checks.arena import arenas
from constitutional.testing.checks.asking import run
from constitutional.testing.material import ANSWERS, DIALOGUES, PAIRS, prompt, response
from constitutional.testing.minds import graded
from constitutional.testing.subject import Fault, NotApplicable, Subject
from constitutional.testing.workshop import Workshop

CLOSE = 1e-6
LADDER = (
    "Mu. Nothing here says anything.",
    "Perhaps. It depends, and on much.",
    "Boil it for a while.",
    "Boil it for eight minutes.",
)


def is_symmetric(subject: Subject) -> None:
    """Which answer is called A is arbitrary: P(a is better) and P(b is better), asked the other way round, sum to one;
    so does each order's reading; and of two equal texts none is better."""

    async def both() -> list[tuple[Judgement, Judgement]]:
        found = []
        for a, b in [*PAIRS, (ANSWERS[0], ANSWERS[0])]:
            # Each way on a bench of its own: not even the ledger may remember the other.
            one, other = (Workshop(subject).make() for _ in range(2))
            found.append((await judged(DIALOGUES[0], a, b).put(one), await judged(DIALOGUES[0], b, a).put(other)))
        return found

    pairs = run(both())
    if all(one.p is None and other.p is None for one, other in pairs):
        raise NotApplicable("it abstains on everything that the made-up model says: give the subject a script")
    for one, other in pairs:
        for name, first, second in (
            ("p", one.p, other.p),
            ("p_ab here and p_ba there", one.p_ab, other.p_ba),
            ("p_ba here and p_ab there", one.p_ba, other.p_ab),
        ):
            if (first is None) != (second is None) or (
                first is not None and second is not None and abs(first + second - 1) > CLOSE
            ):
                raise Fault(
                    f"{name}: {first} for (a, b) and {second} for (b, a), which should sum to 1: "
                    "read both orders, and turn the second to a's point of view"
                )


def is_monotonic(subject: Subject) -> None:
    """A better answer scores no lower than a worse one, and the best higher than the worst."""
    ladder = subject.ladder or LADDER
    script = subject.script or graded(ladder)

    async def climb() -> tuple[list[Score], int]:
        bench = Workshop(subject, script)
        made, asked = bench.make(), prompt()
        found = [await scored(asked, response(text, f"r{n}", asked)).put(made) for n, text in enumerate(ladder)]
        return found, bench.asked

    scores, calls = run(climb())
    if not calls and not subject.ladder:
        raise NotApplicable("it asks no model: give the subject a ladder, answers from the worst to the best")
    values = [score.value for score in scores if score.value is not None]
    if not values:
        raise NotApplicable("it abstains on everything that the made-up model says: give the subject a script")
    if len(values) < len(scores):
        raise Fault(f"abstains on {len(scores) - len(values)} of {len(scores)} answers that it can grade")
    if any(later < earlier - CLOSE for earlier, later in pairwise(values)):
        raise Fault(f"scores fall where the answers get better: {', '.join(f'{value:.3f}' for value in values)}")
    if values[-1] <= values[0] + CLOSE:
        raise Fault(f"the best answer scores no higher than the worst: {values[-1]:.3f} and {values[0]:.3f}")


def asks_what_it_said(subject: Subject) -> None:
    """``needs`` is what the plan of a run counts with: no strategy asks more than it announces."""

    async def asked() -> list[tuple[str, Any, Any]]:
        found = []
        for about, make in arenas(PAIRS):
            pairing, arena = Workshop(subject).make(), make()
            if not isinstance(pairing, PlannedPairing):
                raise NotApplicable("it has no method needs")
            await pairing.pair(arena)
            needs = pairing.needs(len(arena.responses), len(arena.revised))
            found.append((about, needs, (len(arena.valued), len(arena.compared))))
        return found

    for about, (scores, comparisons), (valued, compared) in run(asked()):
        if valued > scores or compared > comparisons:
            raise Fault(
                f"{about}: announces {scores} scores and {comparisons} comparisons, and asks for {valued} and {compared}"
            )


def waits_for_its_answers(subject: Subject) -> None:
    """A strategy may ask side by side; answers that come late change nothing."""

    async def ruled(waits: int) -> list[Any]:
        found = []
        for _, make in arenas(PAIRS):
            arena = make()
            arena.waits = waits
            found.append(list(await settled(Workshop(subject).make().pair(arena))))
            await asyncio.sleep(0)
        return found

    if run(ruled(0)) != run(ruled(5)):
        raise Fault("returns something else where the arena's answers take longer")
