"""A run over published dialogues keeps every turn of every one, and loses none."""

from __future__ import annotations

import gzip
import json
import os
import re
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest

from constitutional.dataset.write import write_dataset
from constitutional.ledger import RunFolder
from tests.support.datasets import rows_of
from tests.support.runs import World, run, tier

REFERENCE = os.environ.get("CONSTITUTIONAL_REFERENCE_DATA", "")
TURN = re.compile(r"\n\n(Human|Assistant):")
ROLES = {"Human": "user", "Assistant": "assistant"}


def dialogues() -> list[list[dict[str, str]]]:
    """The transcripts, cut only where a turn begins: turns hold colons and empty lines of their own."""
    with gzip.open(Path(REFERENCE) / "hh_rlhf_harmless_test" / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["chosen"].rpartition("\n\nAssistant:")[0] for line in file]
    return [_turns(text) for text in texts]


def _turns(text: str) -> list[dict[str, str]]:
    _, *parts = TURN.split(text)
    return [{"role": ROLES[who], "content": said.strip()} for who, said in zip(parts[::2], parts[1::2], strict=True)]


def waiting(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """What is to be answered: of a transcript that ends with the assistant's turn, that turn is kept as the reference."""
    return turns[:-1] if turns[-1]["role"] == "assistant" else turns


@pytest.mark.slow
@pytest.mark.skipif(not REFERENCE, reason="set CONSTITUTIONAL_REFERENCE_DATA")
def test_every_turn_is_kept_and_every_prompt_is_a_pair_or_a_counted_reject(tmp_path: Path) -> None:
    given = dialogues()
    assert (len(given), sum(len(turns) > 1 for turns in given)) == (2312, 1650)
    rows = [{"id": f"hh-{n}", "messages": turns} for n, turns in enumerate(given)]
    world = World(respond=lambda question, sample: f"answer {len(question)}{' zounds' if len(question) % 3 else ''}")
    done = run(tmp_path, rows, tier("kind", "strong", "zounds"), world=world, max_failure_rate=1.0)
    write_dataset(RunFolder(tmp_path / "run"), complete=True)

    pairs = {row["prompt_id"]: row for row in rows_of(tmp_path / "run")}
    rejects: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(tmp_path / "run", "rejects"):
        rejects.setdefault(row["source"], []).append(row)
    lost = []
    for number, turns in enumerate(given):
        pair, dropped = pairs.get(f"hh-{number}"), rejects.get(f"prompts.jsonl:{number + 1}", [])
        if pair is None and not dropped:
            lost.append(number)
        for row in (*([pair] if pair else []), *(row for row in dropped if row["prompt"])):
            assert row["prompt"] == waiting(turns), "every turn, as it was"
    assert lost == []
    assert done.result.prompts == len(done.traces)
    assert len(done.traces) + len(done.bad_rows) == 2312
    assert {reason for _, reason, _ in done.bad_rows} <= {"duplicate_prompt"}
    assert sum(len(row["prompt"]) > 1 for row in pairs.values()) > 800

    named = {f"hh-{n}": turns for n, turns in enumerate(given)}
    for trace in done.traces:
        turns = named[trace.prompt.id]
        assert trace.prompt.reference == (None if waiting(turns) == turns else turns[-1]["content"])
    _seen_by_policy_and_judge(tmp_path / "run" / "run.db", {name: waiting(turns) for name, turns in named.items()})


def _seen_by_policy_and_judge(ledger: Path, given: dict[str, list[dict[str, str]]]) -> None:
    """What was really sent: the policy got the dialogue message by message, the judge every turn of it."""
    connection = sqlite3.connect(ledger)
    requests = dict(connection.execute("SELECT lower(hex(key)), request FROM calls"))
    several = 0
    for (body,) in connection.execute("SELECT body FROM traces"):
        trace = json.loads(body)
        turns = given[trace["prompt"]["id"]]
        several += len(turns) > 1
        asked = _text(requests[trace["responses"][0]["call"]])
        assert all(json.dumps(turn["content"], ensure_ascii=False) in asked for turn in turns)
        for judgement in trace["judgements"]:
            for call in judgement["calls"]:
                seen = _text(requests[call])
                assert all(json.dumps(turn["content"], ensure_ascii=False)[1:-1] in seen for turn in turns)
    assert several > 1500


def _text(request: bytes) -> str:
    return zlib.decompress(request).decode("utf-8", "surrogatepass")
