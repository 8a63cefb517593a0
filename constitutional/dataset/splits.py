"""Which split a prompt is in. By prompt, so that no prompt is in two; near-duplicates together; never moved by others.

A prompt's place is drawn from its own text and the seed: the same in every run, whatever other prompts there are and in
which order. Two settings trade some of that for something else, and look at the prompts in the order of the run: with
``similarity`` a prompt follows the first of its near-duplicates; with ``exact`` each combination of tags has just its
share. Both are stable when prompts are added at the end."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil, floor

from constitutional.config.run import SplitConfig
from constitutional.core.digest import digest, random_for
from constitutional.core.records import Prompt
from constitutional.core.similarity import normalised
from constitutional.near_duplicates import Similar

TRAIN, TEST = "train", "test"


class Splits:
    """Show it every prompt once, in the order of the run."""

    def __init__(self, seed: int, fraction: float, settings: SplitConfig) -> None:
        self._seed = seed
        self._fraction = fraction
        self._by_tag = settings.tags
        self._exact = settings.exact
        self._groups: Similar | None = None
        if settings.similarity is not None or settings.exact:
            self._groups = Similar(settings.similarity or 1.0)
        self._arrived: Counter[tuple[str, ...]] = Counter()

    def of(self, prompt: Prompt) -> str:
        fraction = self._share(prompt.tags)
        if self._groups is None:
            return self._drawn(prompt, fraction)
        text = dialogue(prompt)
        first = self._groups.find(text)
        if first is None:
            first = self._next(prompt.tags, fraction) if self._exact else self._drawn(prompt, fraction)
        self._groups.add(text, first)
        return first

    def _share(self, tags: tuple[str, ...]) -> float:
        """The largest of the shares that its tags have of their own, else that of all."""
        return max((self._by_tag[tag] for tag in tags if tag in self._by_tag), default=self._fraction)

    def _drawn(self, prompt: Prompt, fraction: float) -> str:
        """By its text, without case, punctuation and white space: copies that differ in these are in one split."""
        name = digest(normalised(dialogue(prompt)))
        return TEST if random_for(self._seed, name, "split").random() < fraction else TRAIN

    def _next(self, tags: tuple[str, ...], fraction: float) -> str:
        """Of every 1/fraction prompts with these tags that arrive, one at a random place goes to the test split."""
        stratum = tuple(sorted(set(tags)))
        number, share = self._arrived[stratum], Fraction(fraction).limit_denominator(10**6)
        self._arrived[stratum] += 1
        if not share:
            return TRAIN
        block = floor(number * share)
        first, end = ceil(block / share), ceil((block + 1) / share)
        drawn = random_for(self._seed, digest(stratum), f"split:{block}").randrange(first, end)
        return TEST if number == drawn else TRAIN


def dialogue(prompt: Prompt) -> str:
    return "\n".join(f"{role}: {content}" for role, content in prompt.messages)
