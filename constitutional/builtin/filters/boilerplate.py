"""Phrases that mean nothing and are catching: preference training makes them more frequent, up to looping."""

from __future__ import annotations

import re

from pydantic import Field

from constitutional.builtin.options import FilterOptions, Pattern, Side, sides
from constitutional.core.hygiene import emoji_burst, runs_away
from constitutional.core.records import Drop, Pair, Reason, Trace
from constitutional.roles import Dropped, Setup

PHRASES = (
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b",
    r"\b(?:as of )?my (?:last|latest) (?:knowledge )?(?:update|training)\b",
    r"\A\W*(?:certainly|absolutely|of course|sure(?: thing)?|great question)\b[^.!?\n]{0,20}[!.]",
    r"\bi hope (?:this|that|it) helps\b",
    r"\b(?:please )?(?:feel free|do(?:n't|n’t| not) hesitate) to (?:ask|reach out|let me know)\b",
    r"\blet me know if (?:you|there)\b",
    r"\bis there anything else (?:i can|you)\b",
    r"\byou are (?:valid|valued|loved|not alone)\b",
    r"作为(?:一个|一款)?(?:人工智能|AI|大?语言模型)",
    r"希望(?:这|以上)[^。\n]{0,10}(?:有所?帮助|有用)",
)


class BoilerplateOptions(FilterOptions):
    which: Side = Field(default="chosen", description="Where it counts: in the `chosen` answer, or in `either`.")
    more: list[Pattern] = Field(default=[], description="More regular expressions that no answer should match.")
    phrases: bool = Field(default=True, description="Look for the phrases that ship.")


class Boilerplate:
    """A phrase of the list, a burst of emoji, or a phrase that comes again and again. What stands in both answers teaches
    nothing, and is let be."""

    def __init__(self, setup: Setup) -> None:
        options: BoilerplateOptions = setup.options
        self._which: Side = options.which
        patterns = [*(PHRASES if options.phrases else ()), *options.more]
        self._patterns = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        in_both = self._found(pair.chosen.text).keys() & self._found(pair.rejected.text).keys()
        for response in sides(pair, self._which):
            for kind, words in self._found(response.text).items():
                if kind not in in_both:
                    return Drop(Reason.BOILERPLATE, f"{response.id}: {words!r}")
        return None

    def _found(self, text: str) -> dict[str, str]:
        """What kind of boilerplate, and the words."""
        matches = ((pattern.pattern, pattern.search(text)) for pattern in self._patterns)
        found = {kind: match.group(0)[:60] for kind, match in matches if match is not None}
        if emoji_burst(text):
            found["emoji"] = "a burst of emoji"
        if runs_away(text):
            found["loop"] = "a phrase that repeats"
        return found
