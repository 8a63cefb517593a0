"""The whole pipeline on a real vLLM engine, and its ledger resumed without one."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path

import pytest
import yaml

from constitutional.core.codec import from_json
from constitutional.core.records import Trace
from constitutional.ledger import LedgerView
from tests.support.processes import fingerprint, generate, write_prompts
from tests.support.tiny_model import make_tiny_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]


def test_generated_judged_and_resumed_with_no_engine(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "tiny")
    write_prompts(tmp_path / "prompts.jsonl", 6)
    engine = {"enforce_eager": True, "dtype": "float32", "max_model_len": 1024, "max_num_seqs": 32}
    policy = {"name": f"vllm:{model}", "max_tokens": 24, "options": {"engine": engine}}
    config = {
        "prompts": "prompts.jsonl",
        "models": {"policy": policy},
        "responses": 2,
        "judge": {"plugin": "pairwise-logprob", "options": {"least_mass": 0}},  # of a model that learned nothing
        "scorer": {"plugin": "pointwise", "options": {"least_mass": 0}},
        "strategy": "best-vs-worst",
        "out": "run",
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))

    first = generate(str(tmp_path / "run.yaml"))
    assert first["status"] == "complete"
    assert first["prompts"] == 6
    assert first["failures"] == 0
    assert first["pairs"] > 0
    before = fingerprint(tmp_path / "run" / "dataset")
    traces = traces_of(tmp_path / "run")
    assert all(response.model == "vllm:tiny" for trace in traces for response in trace.responses)
    judgements = [judgement for trace in traces for judgement in trace.judgements]
    assert {judgement.method for judgement in judgements} == {"logprobs"}
    assert all(judgement.p is not None and 0 <= judgement.p <= 1 for judgement in judgements)
    assert choices_sum_to_one(tmp_path / "run") > 100

    began = time.monotonic()
    again = generate(str(tmp_path / "run.yaml"))
    assert again["calls_made"] == 0
    assert time.monotonic() - began < 15, "the engine was started for nothing"
    assert fingerprint(tmp_path / "run" / "dataset") == before

    derived = generate(str(tmp_path / "run.yaml"), "--min-margin", "0.001")
    asked = first["calls_made"] + first["calls_reused"]
    assert (derived["calls_made"], derived["calls_reused"]) == (0, asked)


def traces_of(run: Path) -> list[Trace]:
    with LedgerView(run / "run.db") as view:
        return [from_json(Trace, body) for (body,) in view.rows("SELECT body FROM traces")]


def choices_sum_to_one(run: Path) -> int:
    """How many recorded choices there are; each is a distribution."""
    with LedgerView(run / "run.db") as view:
        replies = [json.loads(reply) for (reply,) in view.rows("SELECT reply FROM calls")]
    found = [reply["probabilities"] for reply in replies if "probabilities" in reply]
    assert all(abs(sum(probabilities) - 1) < 1e-6 for probabilities in found)
    return len(found)
