"""Which prompts are asked about at all: filters look at each in the order of the prompts, before it costs anything."""

from __future__ import annotations

from collections.abc import Sequence

from constitutional.core.records import Prompt, Reason, Reject
from constitutional.errors import blame
from constitutional.roles import PromptFilter


class PromptFilters:
    """Filters may compare a prompt with those before it: show it every prompt once, from the first one on."""

    def __init__(self, filters: Sequence[PromptFilter]) -> None:
        self._filters = filters

    def refusal(self, prompt: Prompt) -> Reject | None:
        """Why a prompt is not asked about; None admits it. Every filter sees those that the filters before it admit."""
        for each in self._filters:
            try:
                dropped = each.admit(prompt)
            except Exception as error:
                return Reject(prompt.id, Reason.PLUGIN_FAILED, blame(error)[:500], failure=True)
            if dropped is not None:
                return Reject.of(prompt.id, dropped)
        return None
