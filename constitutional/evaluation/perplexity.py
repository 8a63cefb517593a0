"""How surprised a model is by a text that it did not write: what training it for something else cost its language.

Only a model that runs in this process can say: no server of ours scores a text. The text is cut into passages, which stand
where prompts stand elsewhere: intervals and paired tests are over them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from constitutional.core.digest import digest
from constitutional.errors import UsageError
from constitutional.evaluation.measures import Parts
from constitutional.models.work import Worker
from constitutional.pipeline.bind import Bind
from constitutional.pipeline.models import Models

PASSAGE = 800
"""So many characters at most."""
ASKED = "surprise"


@runtime_checkable
class ScoresText(Protocol):
    """A model that says how surprising a text is to it."""

    async def surprise(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """−log P of each text's tokens after the first, and how many these are."""
        ...


def passages(name: str, where: Path) -> list[str]:
    """The paragraphs of the file, long ones cut at sentences."""
    path = where / name
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"--reference-text {name}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise UsageError(f"--reference-text {name}: {error.strerror}") from error
    found = [piece for paragraph in re.split(r"\n\s*\n", text) for piece in _pieces(paragraph.strip())]
    if not found:
        raise UsageError(f"--reference-text {name}: no text in it")
    return found


def _pieces(paragraph: str) -> list[str]:
    pieces: list[str] = []
    for sentence in re.split(r"(?<=[.!?。！？])\s+", paragraph):
        for start in range(0, len(sentence), PASSAGE):
            part = sentence[start : start + PASSAGE]
            if pieces and len(pieces[-1]) + len(part) < PASSAGE:
                pieces[-1] = f"{pieces[-1]} {part}"
            elif part:
                pieces.append(part)
    return pieces


async def surprises(models: Models, bind: Bind, texts: Sequence[str]) -> Parts:
    """By passage; none where the model cannot say. Asked once, as every other question: the ledger has the answer."""
    adapter = models.adapter("policy")
    if not texts or not isinstance(adapter, ScoresText):
        return {}
    scorer = adapter

    async def work() -> list[tuple[float, int]]:
        return await scorer.surprise(texts)

    remember = bind.remember(Worker(ASKED, ASKED, "", {}))
    question = {"model": dict(adapter.identity), "texts": digest(list(texts))}
    found = await remember(question, work, assumed=[(0.0, 0)] * len(texts), complete=True)
    return {f"passage {number}": (nats, float(count)) for number, (nats, count) in enumerate(found) if count}
