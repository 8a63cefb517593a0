"""What came before: prompts that are nearly the same, answers that many prompts share."""

from __future__ import annotations

from pydantic import Field

from constitutional.builtin.options import FilterOptions
from constitutional.core.records import Drop, Pair, Prompt, Reason, Trace
from constitutional.near_duplicates import Similar
from constitutional.roles import Dropped, Setup


class DuplicatePromptsOptions(FilterOptions):
    similarity: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of common runs of five characters; 1: equal but for case, punctuation and white space.",
    )


class DuplicateAnswersOptions(FilterOptions):
    similarity: float = Field(
        default=1.0, gt=0, le=1, description="As above; under 1 it needs `constitutional[filters]`."
    )
    most: int = Field(default=1, ge=1, description="So many prompts may have nearly the same chosen answer.")


class DuplicatePrompts:
    """The first of several dialogues that are nearly the same is asked, and the others are not: they cost nothing."""

    def __init__(self, setup: Setup) -> None:
        options: DuplicatePromptsOptions = setup.options
        self._seen = Similar(options.similarity)

    def admit(self, prompt: Prompt) -> Dropped:
        text = "\n".join(f"{role}: {content}" for role, content in prompt.messages)
        first = self._seen.find_or_add(text, prompt.source or prompt.id)
        return None if first is None else Drop(Reason.NEAR_DUPLICATE, f"nearly the same as {first}")


class DuplicateAnswers:
    """One answer that was chosen for many prompts is a phrase, and training on it makes it one for all. Within a prompt an
    answer may be chosen over several others."""

    def __init__(self, setup: Setup) -> None:
        options: DuplicateAnswersOptions = setup.options
        self._most = options.most
        self._seen = Similar(options.similarity)
        self._shared: dict[str, tuple[int, str]] = {}
        """The first prompt of an answer → how many prompts have it, and the last of them."""

    def sift(self, pair: Pair, trace: Trace) -> Dropped:
        first = self._seen.find_or_add(pair.chosen.text, pair.prompt_id)
        if first is None:
            return None
        count, last = self._shared.get(first, (1, first))
        if last == pair.prompt_id:
            return None
        if count >= self._most:
            return Drop(Reason.DUPLICATE_ANSWER, f"{pair.chosen.id} says what was chosen for {first}")
        self._shared[first] = (count + 1, pair.prompt_id)
        return None
