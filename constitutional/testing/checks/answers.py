"""Questions to put to whatever a factory made, and what is wrong with an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from constitutional.core.codec import from_json, to_json
from constitutional.core.records import Critique, Judgement, Prompt, Reject, Response, Ruling
from constitutional.pipeline.strangers import (
    wrong_critique,
    wrong_drop,
    wrong_judgement,
    wrong_pairs,
    wrong_rewrite,
    wrong_score,
)
from constitutional.roles import Filter, PromptFilter, SetFilter, SurveyFilter, settled
from constitutional.testing.checks.arena import TableArena, arenas
from constitutional.testing.material import ANSWERS, DIALOGUES, HOSTILE, PAIRS, PRINCIPLE, pair, prompt, response
from constitutional.testing.subject import Fault

CLOSE = 1e-9
CRITIQUE = Critique("r1", PRINCIPLE.id, True, "It does not answer the question.", 0.9, "logprobs")


@dataclass(frozen=True)
class Question:
    about: str
    """For messages: which input it is."""
    ask: Callable[[Any], Any]
    """Of what was made; the answer may have to be awaited."""
    verify: Callable[[Any], None]
    """Raises a ``Fault``."""

    async def put(self, made: Any) -> Any:
        """The answer, verified."""
        try:
            answer = await settled(self.ask(made))
        except Exception as error:
            raise Fault(f"{self.about}: raises {type(error).__name__}: {error}") from error
        try:
            self.verify(answer)
        except Fault as fault:
            raise Fault(f"{self.about}: {fault}") from None
        return answer


def plain(kind: str) -> list[Question]:
    """Ordinary input."""
    return list(_of(kind, DIALOGUES, PAIRS, ANSWERS))


def hostile(kind: str) -> list[Question]:
    """Input that means harm, in each place where an answer can stand, and as a dialogue."""
    pairs = [(text, ANSWERS[0]) for text in HOSTILE] + [(ANSWERS[0], HOSTILE[0]), (HOSTILE[5], HOSTILE[5])]
    odd = [prompt(text or "?") for text in HOSTILE[3:6]]
    return [*_of(kind, DIALOGUES[:1], pairs, HOSTILE), *_of(kind, odd, PAIRS[:1], ANSWERS[:1])]


def _of(
    kind: str, dialogues: Iterable[Prompt], pairs: Iterable[tuple[str, str]], answers: Iterable[str]
) -> Iterator[Question]:
    pairs, answers = list(pairs), list(answers)
    if kind == "pairing":
        yield from (_paired(about, make) for about, make in arenas(pairs))
        return
    for asked in dialogues:
        if kind == "judge":
            yield from (judged(asked, a, b) for a, b in pairs)
        elif kind == "filter":
            yield _admitted(asked)
            yield from (_filtered(asked, a, b) for a, b in pairs)
        else:
            yield from (_ONE[kind](asked, response(text, to=asked)) for text in answers)


def judged(asked: Prompt, a: str, b: str) -> Question:
    first, second = response(a, "a", asked), response(b, "b", asked)

    def verify(answer: Any) -> None:
        _no(wrong_judgement(answer, asked, first, second, PRINCIPLE))
        whole = Judgement.of(first, second, PRINCIPLE.id, answer.p_ab, answer.p_ba, answer.method)
        if not _near(whole.p, answer.p) or whole.consistent != answer.consistent:
            raise Fault("p and consistent do not follow from p_ab and p_ba: make it with Judgement.of")
        _recordable(answer)

    return Question(
        f"judge of {_short(a)} and {_short(b)}", lambda made: made.judge(asked, first, second, PRINCIPLE), verify
    )


def scored(asked: Prompt, answer: Response) -> Question:
    def verify(score: Any) -> None:
        _no(wrong_score(score, asked, answer, PRINCIPLE))
        _recordable(score)

    return Question(f"score of {_short(answer.text)}", lambda made: made.score(asked, answer, PRINCIPLE), verify)


def _criticised(asked: Prompt, answer: Response) -> Question:
    def verify(critique: Any) -> None:
        _no(wrong_critique(critique, asked, answer, PRINCIPLE))
        _recordable(critique)

    return Question(f"critique of {_short(answer.text)}", lambda made: made.critique(asked, answer, PRINCIPLE), verify)


def _revised(asked: Prompt, answer: Response) -> Question:
    def verify(rewrite: Any) -> None:
        _no(wrong_rewrite(rewrite))
        _recordable(rewrite)

    return Question(
        f"revision of {_short(answer.text)}",
        lambda made: made.revise(asked, answer, PRINCIPLE, CRITIQUE, 1),
        verify,
    )


_ONE = {"scorer": scored, "critic": _criticised, "reviser": _revised}


def _admitted(asked: Prompt) -> Question:
    def ask(made: Any) -> Any:
        return made.admit(asked) if isinstance(made, PromptFilter) else None

    return Question(f"admit of {_short(asked.messages[-1].content)}", ask, _dropped)


def _filtered(asked: Prompt, a: str, b: str) -> Question:
    one, whole = pair(a, b, asked)

    def ask(made: Any) -> Any:
        said = []
        if isinstance(made, SurveyFilter):
            made.survey(one, whole)
        if isinstance(made, Filter):
            said.append(made.check(one, whole))
        if isinstance(made, SetFilter):
            said.append(made.sift(one, whole))
        return next((answer for answer in said if answer is not None), None)

    return Question(f"filter on {_short(a)} over {_short(b)}", ask, _dropped)


def _dropped(answer: Any) -> None:
    _no(wrong_drop(answer))
    if answer is not None:
        _recordable(Reject.of("p", answer))


def _paired(about: str, make: Callable[[], TableArena]) -> Question:
    async def ask(made: Any) -> Any:
        arena = make()
        return arena, await settled(made.pair(arena))

    def verify(answer: Any) -> None:
        arena, found = answer
        _no(wrong_pairs(found, arena))
        for item in found:
            if isinstance(item, Ruling) and item not in arena.ruled:
                raise Fault(
                    "a ruling that arena.compare did not give: pairs come from the judge, not from the strategy"
                )
            _recordable(item)

    return Question(about, ask, verify)


def _no(problem: str | None) -> None:
    """What a run would refuse."""
    if problem is not None:
        raise Fault(problem)


def _near(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else abs(one - other) <= CLOSE


def _recordable(record: Any) -> None:
    try:
        text = to_json(record)
        text.encode("utf-8")
    except (TypeError, ValueError) as error:
        raise Fault(f"the ledger cannot hold it: {error}") from error
    if from_json(type(record), text) != record:
        raise Fault(f"it changes on its way through the ledger: {record!r}")


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 40 else f"{shown[:30]}… ({len(text):,} characters)"
