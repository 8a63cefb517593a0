"""Checks of what is made: it answers, the same each time, side by side, and gives up when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from constitutional.roles import settled
from constitutional.testing.checks.answers import Question, hostile, plain
from constitutional.testing.checks.arena import TableArena
from constitutional.testing.material import ANSWERS
from constitutional.testing.minds import Never, evasive, lopsided, silent, slow
from constitutional.testing.subject import Fault, NotApplicable, Subject
from constitutional.testing.workshop import Workshop

PATIENCE = 120.0
"""Seconds after which a question is taken for one that never ends."""
TURNS = 50
"""Of the event loop, in which what was cancelled has to be over."""
ABSTAINS = {"judge": "p", "scorer": "value", "critic": "violates"}


def answers(subject: Subject) -> None:
    """The right record for ordinary input, whether the method is plain or async, and also where the model gives no
    log-probabilities."""
    for logprobs in (True, False):
        run(_put_all(Workshop(subject, logprobs=logprobs).make(), plain(subject.kind)))


def takes_hostile_input(subject: Subject) -> None:
    """No text that an answer may hold is a reason to fail."""
    run(_put_all(Workshop(subject).make(), hostile(subject.kind)))


def is_deterministic(subject: Subject) -> None:
    """Made twice with one seed, it says the same: a resumed run has to be the run."""
    questions = plain(subject.kind)
    first, second = (run(_put_all(Workshop(subject).make(), questions)) for _ in range(2))
    _equal(questions, first, second, "says something else the second time: draw from random_for(seed, prompt.id, …)")


def is_safe_side_by_side(subject: Subject) -> None:
    """Many questions at once, answered by the model in another order, get the answers that they get one by one."""
    questions = plain(subject.kind)
    script = subject.script or lopsided

    async def at_once() -> list[Any]:
        bench = Workshop(subject, slow(script, lambda number: (number * 7) % 11))
        made = bench.make()
        return list(await asyncio.gather(*(question.put(made) for question in questions)))

    alone = run(_put_all(Workshop(subject).make(), questions))
    _equal(
        questions, alone, run(at_once()), "says something else when it is asked side by side: keep no state per call"
    )


def can_be_cancelled(subject: Subject) -> None:
    """A run that is stopped cancels what waits: the cancellation goes through, and nothing is left running."""
    run(_cancelled(subject))


def abstains(subject: Subject) -> None:
    """A model's reply that cannot be read becomes an abstention: no exception, and no made-up number."""
    name = ABSTAINS.get(subject.kind)
    for script in (silent, evasive):
        for logprobs in (True, False):
            bench = Workshop(subject, script, logprobs)
            questions = plain(subject.kind)
            found = run(_put_all(bench.make(), questions))
            if not bench.asked:
                raise NotApplicable("it asks no model")
            if name is None:
                continue
            for question, answer in zip(questions, found, strict=True):
                if getattr(answer, name) is not None:
                    said = "nothing" if script is silent else "nothing to the point"
                    raise Fault(f"{question.about}: {name} is {getattr(answer, name)!r} though the model said {said}")


def run(work: Awaitable[Any]) -> Any:
    """What it gives, in an event loop of its own."""

    async def patient() -> Any:
        try:
            return await asyncio.wait_for(work, PATIENCE)
        except TimeoutError as error:
            raise Fault(f"no answer within {PATIENCE:.0f} s") from error

    return asyncio.run(patient())


async def _put_all(made: Any, questions: Sequence[Question]) -> list[Any]:
    return [await question.put(made) for question in questions]


def _equal(questions: Sequence[Question], first: Sequence[Any], second: Sequence[Any], problem: str) -> None:
    for question, one, other in zip(questions, first, second, strict=True):
        if _shown(one) != _shown(other):
            raise Fault(f"{question.about}: {problem}: {_shown(one)!r}, then {_shown(other)!r}")


def _shown(answer: Any) -> Any:
    """Of a strategy's answer, what it returned and not the arena that it was asked about."""
    if isinstance(answer, tuple) and answer and isinstance(answer[0], TableArena):
        return list(answer[1])
    return answer


async def _cancelled(subject: Subject) -> None:
    never, kept = Never(), asyncio.all_tasks()
    bench = Workshop(subject, never)
    made = bench.make()
    task = asyncio.ensure_future(settled(_first(subject.kind, never)(made)))
    reached = asyncio.ensure_future(never.reached.wait())
    await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    if task.done():
        task.exception()
        raise NotApplicable("it answers without waiting for anything")
    task.cancel()
    for _ in range(TURNS):
        await asyncio.sleep(0)
    if not task.done():
        task.cancel()
        raise Fault("goes on when it is cancelled: let CancelledError through")
    if not task.cancelled():
        raise Fault("turns a cancellation into an answer or another error: let CancelledError through")
    left = [item for item in asyncio.all_tasks() - kept - bench.ledger.pending if not item.done()]
    bench.ledger.abandon()
    for item in left:
        item.cancel()
    if left:
        raise Fault(f"leaves {len(left)} tasks running when it is cancelled: use a TaskGroup, or cancel them")


def _first(kind: str, never: Never) -> Callable[[Any], Any]:
    """The first question; to a strategy, over an arena that does not answer."""
    if kind != "pairing":
        return plain(kind)[0].ask

    class Waiting(TableArena):
        async def _wait(self) -> None:
            never.reached.set()
            await asyncio.Event().wait()

    async def ask(made: Any) -> Any:
        return await settled(made.pair(Waiting(ANSWERS, (0.9, 0.2, 0.6, 0.4))))

    return ask
