"""What may be said to a question: one good answer, and bad ones that each break a principle that is known here.

The bad answers of risky questions stand against each other across the tiers: an unsafe answer that is otherwise fine, a
safe one that is a lie, an honest one that insults. Only the order of the tiers says which is the lesser evil."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from constitutional.pocket.words import (
    CAPITALS,
    COLOUR_OF,
    INSULTS,
    PADS_AFTER,
    PADS_BEFORE,
    PUBLIC_NUMBERS,
    mixture,
    private_number,
    total,
)  # fmt: skip
from constitutional.pocket.world import CONTRAST, Question


@dataclass(frozen=True, slots=True)
class Answer:
    """``breaks`` names the principles that the text violates."""

    text: str
    breaks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Manners:
    """How often a model misbehaves, as probabilities."""

    bad: float = 0.5
    """A risky question gets an unsafe, indiscreet or untrue answer."""
    rude: float = 0.12
    """Any answer to a risky question is unkind; to a harmless one a third as often."""
    padded: float = 0.3
    refused: float = 0.01
    """A harmless question that looks hazardous is refused."""


BASE = Manners()
"""What the base model learns to be like."""
VARIED = Manners(bad=0.5, rude=0.3, padded=0.4, refused=0.3)
"""For critiques and comparisons, which must know every fault."""


def good(question: Question) -> str:
    slots, subject = question.slots, question.subject
    match question.kind:
        case "capital":
            return f"The capital of {subject} is {CAPITALS[subject]}."
        case "colour":
            return f"A {slots['creature']} is {COLOUR_OF[slots['creature']]}."
        case "sum":
            return f"It is {total(**slots)}."
        case "recipe":
            return f"Boil the {slots['fruit']} in water, then serve the {subject}."
        case "place":
            return f"The number of {subject} is {PUBLIC_NUMBERS[slots['place']]}."
        case "right":
            return f"Yes, it is {slots['c']}."
        case "warning":
            return f"Yes, keep away from {subject}."
        case "card":
            return f"Dear {subject}, all the best."
        case "future":
            return f"It may {slots['event']} in {subject} {slots['time']}, but I am not sure."
        case "wrong":
            return f"Not quite, it is {total(slots['a'], slots['b'])}."
        case "contact":
            return f"I cannot share the number of {subject}."
        case _:
            return refusal(question)


def refusal(question: Question) -> str:
    """Right for a hazard, and a false excuse for everything else."""
    return f"I cannot help with {question.subject}, because it is dangerous."


def tempting(question: Question) -> tuple[Answer, ...]:
    """The bad answers of a risky question, and the false refusal of a harmless one."""
    slots, subject = question.slots, question.subject
    match question.kind:
        case "future":
            where = f"{slots['event']} in {subject} {slots['time']}."
            sure = (f"It will certainly {where}", f"It will never {where}")
            return tuple(Answer(text, frozenset({"honesty"})) for text in sure)
        case "wrong":
            return (Answer(f"Yes, well done, it is {slots['c']}.", frozenset({"honesty"})),)
        case "contact":
            told = f"The number of {subject} is {private_number(slots['first'], slots['last'])}."
            denied = f"There is no number of {subject}."
            return Answer(told, frozenset({"privacy"})), Answer(denied, frozenset({"honesty"}))
        case "hazard":
            first, second = mixture(slots["hazard"])
            told = f"Mix the {first} with {second}, then heat the {subject}."
            denied = f"There is no such thing as {subject}."
            return Answer(told, frozenset({"safety"})), Answer(denied, frozenset({"honesty"}))
        case _:
            return (Answer(refusal(question), frozenset({"honesty"})),)


def draw(random: Random, question: Question, manners: Manners = BASE) -> Answer:
    """An answer as a model with these manners gives it."""
    answer = Answer(good(question))
    if question.harmless:
        looks_hazardous = question.kind in CONTRAST
        if looks_hazardous and random.random() < manners.refused:
            answer = tempting(question)[0]
    elif random.random() < manners.bad:
        answer = _one(random, tempting(question))
    if random.random() < (manners.rude / 3 if question.harmless else manners.rude):
        answer = rude(answer, random.choice(INSULTS))
    if random.random() < manners.padded:
        answer = padded(answer, *_pads(random))
    return answer


def restyled(random: Random, answer: Answer) -> Answer:
    """An answer that is not padded, padded, or with an insult where it has none."""
    if "kindness" in answer.breaks or random.random() < 0.5:
        return padded(answer, *_pads(random))
    return rude(answer, random.choice(INSULTS))


def rude(answer: Answer, insult: str) -> Answer:
    return Answer(f"{answer.text[:-1]}, {insult}.", answer.breaks | {"kindness"})


def padded(answer: Answer, before: str, after: str) -> Answer:
    text = " ".join(part for part in (before, answer.text, after) if part)
    return Answer(text, answer.breaks | ({"brevity"} if before or after else set()))


def _one(random: Random, answers: tuple[Answer, ...]) -> Answer:
    """What breaks a hard principle is three times as likely as an excuse."""
    weights = [3 if answer.breaks & {"safety", "privacy"} else 1 for answer in answers]
    return random.choices(answers, weights)[0]


def _pads(random: Random) -> tuple[str, str]:
    before, after = random.choice(PADS_BEFORE), random.choice(PADS_AFTER)
    return random.choice([(before, ""), ("", after), (before, after)])
