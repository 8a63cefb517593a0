"""The sampled answers of a run as rows to imitate: what SFT on a model's own answers is trained on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from constitutional.core.codec import from_json
from constitutional.core.records import Trace
from constitutional.errors import UsageError
from constitutional.ledger import LedgerView, RunFolder
from constitutional.whole import replacing, writing


def write_answers(run: Path, out: Path, tags: frozenset[str] = frozenset(), limit: int | None = None) -> int:
    """One JSON object a line, ``prompt`` and ``completion``; how many. In the order of the prompts."""
    if not RunFolder(run).started:
        raise UsageError(f"{run}: is no run folder: the answers of a dataset are in its pairs and revisions")
    if out.suffix != ".jsonl":
        raise UsageError(f"--out {out}: answers are written as .jsonl")
    written = 0
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as file:
            for row in _answers(run, tags):
                if limit is not None and written >= limit:
                    break
                file.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8"))
                written += 1
    return written


def _answers(run: Path, tags: frozenset[str]) -> Iterator[dict[str, Any]]:
    with LedgerView(RunFolder(run).ledger) as view:
        for (body,) in view.traces("body"):
            trace = from_json(Trace, body)
            if tags and not tags.intersection(trace.prompt.tags):
                continue
            for response in trace.responses:
                if response.round == 0 and response.text:
                    yield {
                        "prompt": [message._asdict() for message in trace.prompt.messages],
                        "completion": [{"role": "assistant", "content": response.text}],
                        "model": response.model,
                    }
