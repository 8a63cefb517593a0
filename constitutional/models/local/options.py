"""The probability of each option of a choice, from next-token log-probabilities. Knows only token ids.

Options whose first tokens differ need one question: what comes next? Options that begin alike (``1`` and
``10`` where digits are split, ``(A)`` and ``(B)`` nearly everywhere) need one more per shared beginning.
An option is as probable as the tokens that tell it from the others. One that is the beginning of another is
told by the reply ending there.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from constitutional.core.messages import Choice, Usage
from constitutional.errors import RequestRefusedError

Tokens = tuple[int, ...]
Answer = tuple[Mapping[int, float], Usage]
Ask = Callable[[Tokens, Tokens], Awaitable[Answer]]
"""``ask(beginning, ids)``: the log-probability of each id as what follows the prompt and ``beginning``."""

NEGLIGIBLE = math.log(1e-4)
"""A second spelling this much rarer than the likeliest token is not worth a question of its own."""

_END = -1


class Spelling(NamedTuple):
    option: int
    tokens: Tokens
    main: bool
    """As the caller wrote it; the others differ by the space before it."""


def spellings(options: Sequence[str], encode: Callable[[str], Sequence[int]]) -> tuple[Spelling, ...]:
    """Each option as written, without and with a space before it: models differ in which they say first."""
    if len({option.strip() for option in options} - {""}) < max(len(options), 1):
        raise RequestRefusedError(f"options must be distinct and not empty: {list(options)}", "bad_options")
    owner: dict[Tokens, Spelling] = {}
    for number, option in enumerate(options):
        tokens = tuple(encode(option))
        if not tokens or tokens in owner:
            raise RequestRefusedError(f"this model's tokenizer cannot tell {option!r} apart", "bad_options")
        owner[tokens] = Spelling(number, tokens, main=True)
    for number, option in enumerate(options):
        for other in (option.strip(), " " + option.strip()):
            if tokens := tuple(encode(other)):
                owner.setdefault(tokens, Spelling(number, tokens, main=False))
    return tuple(owner.values())


@dataclass(frozen=True, slots=True)
class _Beginning:
    tokens: Tokens
    reached: float
    """The log-probability that a reply begins so."""
    below: tuple[Spelling, ...]

    @property
    def decided(self) -> bool:
        return len({spelling.option for spelling in self.below}) == 1

    @property
    def main(self) -> bool:
        return any(spelling.main for spelling in self.below)

    def branches(self) -> dict[int, list[Spelling]]:
        """What may follow, with the spellings that lie that way."""
        found: dict[int, list[Spelling]] = {}
        depth = len(self.tokens)
        for spelling in self.below:
            following = spelling.tokens[depth] if len(spelling.tokens) > depth else _END
            found.setdefault(following, []).append(spelling)
        return found

    def wanted(self, ends: Collection[int]) -> Tokens:
        ids = [*self.branches()]
        return tuple(dict.fromkeys(i for token in ids for i in (sorted(ends) if token == _END else [token])))

    def followed(self, answer: Mapping[int, float], ends: Collection[int]) -> list[_Beginning]:
        return [
            _Beginning(
                (*self.tokens, token),
                self.reached + (_logsumexp(answer[end] for end in ends) if token == _END else answer[token]),
                tuple(below),
            )
            for token, below in self.branches().items()
        ]


async def choose(spelled: Sequence[Spelling], ends: Collection[int], ask: Ask) -> Choice:
    """``ends`` are the tokens that end a reply. Questions of one depth are asked together."""
    found: dict[int, list[float]] = {spelling.option: [] for spelling in spelled}
    usage = Usage()
    level = [_Beginning((), 0.0, tuple(spelled))]
    while level:
        answers = await asyncio.gather(*(ask(node.tokens, node.wanted(ends)) for node in level))
        reached: list[_Beginning] = []
        for node, (answer, used) in zip(level, answers, strict=True):
            reached += node.followed(answer, ends)
            usage = Usage(usage.prompt + used.prompt, usage.completion + used.completion, usage.cached + used.cached)
        for node in reached:
            if node.decided:
                found[node.below[0].option].append(node.reached)
        likeliest = max([node.reached for node in reached] + [p for ps in found.values() for p in ps])
        level = [node for node in reached if not node.decided and (node.main or node.reached >= likeliest + NEGLIGIBLE)]
    logprobs = [_logsumexp(found[option]) for option in sorted(found)]
    whole = _logsumexp(logprobs)
    if whole == -math.inf:
        return Choice((), "logprobs", mass=0.0, usage=usage)
    probabilities = tuple(math.exp(logprob - whole) for logprob in logprobs)
    return Choice(probabilities, "logprobs", mass=min(1.0, math.exp(whole)), usage=usage)


def _logsumexp(values: Iterable[float]) -> float:
    terms = list(values)
    top = max(terms, default=-math.inf)
    return top if top == -math.inf else top + math.log(sum(math.exp(term - top) for term in terms))
