"""A dataset folder made by a real run over a made-up model, with everything that formats stumble on: system messages,
several turns, tags, both splits, vetoes, conflicts, lines that are no prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from constitutional.dataset.source import DatasetFolder
from constitutional.dataset.write import write_dataset
from constitutional.ledger import RunFolder
from tests.support.runs import Run, World, run, tier

TIERS = (tier("safe", "hard", "bad"), tier("kind", "strong", "rude"), tier("style", "soft", "long"))


def prompts(count: int = 24) -> list[Any]:
    """The policy answers with the last message, so that its words decide what is revised."""
    rows: list[Any] = []
    for n in range(count):
        text = f"question {n} {('bad thing', 'rude word', 'long text', 'nothing at all')[n % 4]} héllo"
        if n % 6 == 1:
            rows.append({"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]})
        elif n % 6 == 2:
            turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
            rows.append({"messages": [*turns, {"role": "user", "content": text}], "tags": ["chat"]})
        else:
            rows.append({"prompt": text, "tags": ["shop"] if n % 2 else []})
    return [*rows, {"prompt": ""}, rows[0]]


def made(folder: Path, rows: list[Any] | None = None, *, world: World | None = None, **settings: Any) -> Run:
    """A finished run in ``folder/run`` with its dataset."""
    done = run(folder, prompts() if rows is None else rows, *TIERS, world=world, **({"test_fraction": 0.3} | settings))
    write_dataset(RunFolder(folder / "run"), complete=done.result.status == "complete")
    return done


def rows_of(folder: Path, subset: str = "preference") -> list[dict[str, Any]]:
    """All rows, every split."""
    found = DatasetFolder.find(folder)
    return [row for split in found.splits(subset) for row in found.rows(subset, split)]
