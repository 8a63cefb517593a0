"""Refusals where there was nothing to refuse."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from constitutional.builtin.options import FilterOptions
from constitutional.core.records import Drop, Pair, Reason, Trace
from constitutional.core.refusals import is_refusal
from constitutional.roles import Dropped, Setup


class RefusalsOptions(FilterOptions):
    benign: Literal["all"] | list[str] = Field(
        description="The tags that say that a prompt is benign, or `all`: then only a veto excuses a refusal."
    )
    unless: list[str] = Field(default=[], description="Tags of prompts that may be refused all the same.")


class Refusals:
    """To choose a refusal teaches a model to refuse. Where the rejected answer was vetoed the prompt is not benign."""

    def __init__(self, setup: Setup) -> None:
        options: RefusalsOptions = setup.options
        self._benign = None if options.benign == "all" else frozenset(options.benign)
        self._unless = frozenset(options.unless)

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        if pair.ruling.vetoed_by is not None or not self._expects_an_answer(trace.prompt.tags):
            return None
        return Drop(Reason.REFUSAL, f"{pair.chosen.id} refuses") if is_refusal(pair.chosen.text) else None

    def _expects_an_answer(self, tags: tuple[str, ...]) -> bool:
        benign = self._benign is None or bool(self._benign.intersection(tags))
        return benign and not self._unless.intersection(tags)
