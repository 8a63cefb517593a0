"""Which prompts are trained on and which are held out, and which of the former a round answers. Files, written once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from constitutional.config.run import SplitConfig
from constitutional.core.digest import random_for
from constitutional.core.records import Prompt
from constitutional.dataset.splits import TEST, Splits
from constitutional.errors import PromptFileError
from constitutional.pipeline.prompts import read_prompts
from constitutional.pipeline.rows import RowFault
from constitutional.training.iterate.settings import IterateSettings
from constitutional.whole import write_whole

TRAIN_FILE, HELD_OUT_FILE = "prompts.jsonl", "held-out.jsonl"


def divide(settings: IterateSettings) -> tuple[list[Prompt], list[Prompt]]:
    """(to train on, held out). By each dialogue's own text, so that a prompt stays where it is when others come; with a
    file of held-out prompts, what is in it is not trained on."""
    run = settings.run
    every = _read(run.prompts or "-", settings.base, run.limit)
    if settings.held_out is not None:
        held = _read(settings.held_out, Path.cwd(), None)
        known = {Prompt.id_of(prompt.messages) for prompt in held}
        kept = [prompt for prompt in every if Prompt.id_of(prompt.messages) not in known]
    else:
        splits = Splits(run.seed, settings.held_out_share, SplitConfig())
        places = [splits.of(prompt) for prompt in every]
        held = [prompt for prompt, place in zip(every, places, strict=True) if place == TEST]
        kept = [prompt for prompt, place in zip(every, places, strict=True) if place != TEST]
    if not kept or not held:
        raise PromptFileError(
            f"{run.prompts}: {len(kept):,} prompts to train on and {len(held):,} held out: it takes some of both; give more "
            "prompts, another --held-out-share, or a file with --held-out FILE"
        )
    return kept, held


def of_round(prompts: list[Prompt], number: int, ratio: float, seed: int) -> list[Prompt]:
    """The first round answers all; a later one those that it draws, and at least one."""
    if number == 1 or ratio >= 1:
        return prompts
    drawn = sorted((random_for(seed, prompt.id, f"round:{number}").random(), prompt.id) for prompt in prompts)
    taken = {name for _, name in drawn[: max(1, round(ratio * len(prompts)))]}
    return [prompt for prompt in prompts if prompt.id in taken]


def write(path: Path, prompts: Iterable[Prompt]) -> None:
    """As ``generate`` reads them again."""
    rows = [
        {
            "id": prompt.id,
            "messages": [message._asdict() for message in prompt.messages],
            "tags": list(prompt.tags),
            **({} if prompt.reference is None else {"reference": prompt.reference}),
        }
        for prompt in prompts
    ]
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _read(name: str, base: Path, limit: int | None) -> list[Prompt]:
    return [row for row in read_prompts(name, base, limit) if not isinstance(row, RowFault)]
