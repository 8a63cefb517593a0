"""Rules about examples, the unit tests of a principle."""

from __future__ import annotations

import re
from collections.abc import Iterator

from constitutional.core.constitution import Example
from constitutional.principles.lint.rule import Hit, Rule, Subject, each

PLACEHOLDER = re.compile(
    r"^[\s.…_?-]*$|^\W*(?:todo|tbd|fixme|x{2,}|placeholder|lorem ipsum|待补充|待定|示例(?:回答|问题)?|"
    r"(?:an? |the |some )?(?:text|prompt|response|answer|(?:good|bad|better|worse|example) (?:answer|response|prompt))"
    r")\b.{0,20}$",
    re.IGNORECASE,
)


def no_examples(subject: Subject) -> Iterator[Hit]:
    if not subject.item.examples and subject.tier.force != "hard":
        suggestion = "add a pair from your own data: {prompt: …, better: …, worse: …}"
        yield Hit((*subject.loc, "id"), "has no example, so nobody can test it", suggestion)


def hard_tier_without_examples(subject: Subject) -> Iterator[Hit]:
    if not subject.item.examples and subject.tier.force == "hard":
        suggestion = "add one answer that upholds it and one, just over the line, that violates it"
        yield Hit((*subject.loc, "id"), "vetoes answers and has no example of what it vetoes", suggestion)


def one_sided_examples(subject: Subject) -> Iterator[Hit]:
    examples = subject.item.examples
    verdicts = {example.verdict for example in examples if example.verdict}
    if examples and len(verdicts) == 1 and not any(example.better for example in examples):
        (verdict,) = verdicts
        missing = "violates" if verdict == "upholds" else "upholds"
        message = f"every example {verdict} it: a judge that always says so passes"
        yield Hit((*subject.loc, "examples"), message, f"add an example that {missing} it")


def untestable_example(subject: Subject) -> Iterator[Hit]:
    seen: dict[tuple[str, str], str] = {}
    for index, example in enumerate(subject.item.examples):
        loc = (*subject.loc, "examples", index)
        reason = _untestable(example)
        if reason:
            yield Hit(loc, reason, "take the text from your own data, and say in it what the principle is about")
        elif example.response and example.verdict:
            key = (_plain(example.prompt), _plain(example.response))
            if seen.setdefault(key, example.verdict) != example.verdict:
                yield Hit(
                    loc, "the same answer upholds it in one example and violates it in another", "keep one verdict"
                )


def _untestable(example: Example) -> str:
    texts = {"prompt": example.prompt, "response": example.response, "better": example.better, "worse": example.worse}
    given = {key: text for key, text in texts.items() if text}
    hollow = next((key for key, text in given.items() if PLACEHOLDER.match(text)), None)
    if hollow:
        return f"the {hollow} is a placeholder"
    repeats = next((key for key in given if key != "prompt" and _plain(given[key]) == _plain(example.prompt)), None)
    return f"the {repeats} repeats the prompt" if repeats else ""


def _plain(text: str) -> str:
    return " ".join(text.split())


_EXAMPLE = "id: named\nstatement: The answer names its source.\nexamples:"
_PAIR = f"{_EXAMPLE}\n- prompt: How high is it?\n  better: A survey of 2019 says 80 m.\n  worse: 80 m."

RULES = (
    Rule(
        "no-examples",
        "warning",
        "An example is the only part of a principle that can fail; without one its wording is a matter of belief.",
        f"{_EXAMPLE} []",
        _PAIR,
        each(no_examples),
    ),
    Rule(
        "hard-tier-without-examples",
        "error",
        "A hard principle removes answers from the data; where it draws the line has to be written down.",
        f"{_EXAMPLE} []",
        _PAIR,
        each(hard_tier_without_examples),
    ),
    Rule(
        "one-sided-examples",
        "warning",
        "Examples of one verdict only are passed by a judge that always gives that verdict.",
        f"{_EXAMPLE}\n- prompt: How high is it?\n  response: 80 m.\n  verdict: violates",
        _PAIR,
        each(one_sided_examples),
    ),
    Rule(
        "untestable-example",
        "error",
        "A placeholder, an answer that repeats the prompt or one answer with two verdicts tests nothing.",
        _PAIR.replace("A survey of 2019 says 80 m.", "TODO"),
        _PAIR,
        each(untestable_example),
    ),
)
