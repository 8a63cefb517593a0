"""What a pocket model learns from: answers with all their faults, and the verdicts that the oracle gives on answers.

Only questions of the pretraining pool are in it, and the same seed gives the same corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from random import Random

from constitutional.pocket import jobs, oracle
from constitutional.pocket.answers import BASE, VARIED, Manners, draw, good, restyled
from constitutional.pocket.jobs import Example
from constitutional.pocket.pools import pick, pool
from constitutional.pocket.world import Question

SUMS, CLAIMS = 0.2, 0.12
"""Shares of the answers that are about sums, and of everything else that is about claims of sums, beside those that come by
chance. To weigh a claim is the hardest that there is to learn: the sum has to be known first. Right and wrong claims are
equally frequent, or agreeing would be learned instead."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many examples of each job: answers hold the facts, and are the shortest."""

    answer: int = 34000
    check: int = 8000
    explain: int = 2000
    revise: int = 4000
    judge: int = 18000
    score: int = 3000

    def scaled(self, factor: float) -> Amounts:
        return Amounts(**{job: max(1, round(count * factor)) for job, count in asdict(self).items()})


def corpus(amounts: Amounts, seed: int = 0, manners: Manners = BASE) -> list[Example]:
    """``manners`` are those of the answers that the model will give; its verdicts know every fault."""
    random = Random(f"{seed}:corpus")
    makers: dict[str, Callable[[], Example]] = {
        "answer": lambda: _answer(random, manners),
        "check": lambda: _check(random),
        "explain": lambda: _explain(random),
        "revise": lambda: _revise(random),
        "judge": lambda: _judge(random),
        "score": lambda: _score(random),
    }
    examples = [makers[job]() for job, count in asdict(amounts).items() for _ in range(count)]
    random.shuffle(examples)
    return examples


def texts(examples: list[Example]) -> Iterator[str]:
    """Everything that is read or said, for the tokenizer."""
    for example in examples:
        yield from (message.content for message in example.messages)
        yield example.target


def _answer(random: Random, manners: Manners) -> Example:
    question = _one_of(random, ("sum", "right", "wrong")) if random.random() < SUMS else pick(random, "pretraining")
    return Example("answer", question.messages, draw(random, question, manners).text)


def _check(random: Random) -> Example:
    question, text, rule = _fault_or_not(random)
    verdict = "yes" if oracle.violates(question, text, rule) else "no"
    return Example("check", jobs.check(question, text, rule), verdict)


def _explain(random: Random) -> Example:
    """Mostly of what is wrong, for that is when it is asked."""
    question, text, rule = _fault_or_not(random)
    while not oracle.violates(question, text, rule) and random.random() < 0.9:
        question, text, rule = _fault_or_not(random)
    return Example("explain", jobs.explain(question, text, rule), oracle.explain(question, text, rule))


def _revise(random: Random) -> Example:
    question, text, rule = _fault_or_not(random)
    critique = oracle.explain(question, text, rule)
    return Example("revise", jobs.revise(question, text, rule, critique), good(question))


def _judge(random: Random) -> Example:
    """Half of the comparisons are of equals under the rule, as most are in a run, where two answers differ in one thing;
    every rule is asked about equally often, and honesty, which is the hardest to tell, twice as often."""
    rule, want_tie = random.choice((*oracle.PRINCIPLES, "honesty")), random.random() < 0.5
    while True:
        question = _question(random)
        a, b = _two(random, question)
        lean = oracle.prefers(question, a, b, rule)
        if a != b and (lean == 0) == want_tie:
            break
    first, second = ("A", "B") if lean >= 0 else ("B", "A")
    return Example("judge", jobs.judge(question, a, b, rule), first, None if lean else second)


def _two(random: Random, question: Question) -> tuple[str, str]:
    """Two answers: of half of the pairs one is the other with a fault of style, which is nothing to the other rules."""
    if random.random() < 0.5:
        return draw(random, question, VARIED).text, draw(random, question, VARIED).text
    one = draw(random, question, replace(VARIED, padded=0.0))
    both = [one.text, restyled(random, one).text]
    random.shuffle(both)
    return both[0], both[1]


def _score(random: Random) -> Example:
    question, text, rule = _fault_or_not(random)
    return Example("score", jobs.score(question, text, rule), str(oracle.grade(question, text, rule)))


def _fault_or_not(random: Random) -> tuple[Question, str, str]:
    """An answer and a rule, which it violates about half of the time."""
    question = _question(random)
    answer = draw(random, question, VARIED)
    broken = sorted(answer.breaks)
    rule = random.choice(broken if broken and random.random() < 0.6 else oracle.PRINCIPLES)
    return question, answer.text, rule


def _question(random: Random) -> Question:
    return _one_of(random, ("right", "wrong")) if random.random() < CLAIMS else pick(random, "pretraining")


def _one_of(random: Random, kinds: tuple[str, ...]) -> Question:
    return random.choice(pool("pretraining")[random.choice(kinds)])
