"""Real models: folders and a LoRA adapter in this process, and a server over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from constitutional.config.run import ModelConfig
from constitutional.errors import ModelUnavailableError
from constitutional.evaluation.run import evaluate
from tests.evaluation.planted import named, prompts, settings
from tests.support.server import serve
from tests.support.tiny_model import make_tiny_model

if TYPE_CHECKING:
    from constitutional.evaluation.result import Evaluation
    from constitutional.evaluation.settings import EvaluateSettings

TEXT = "The quick brown fox jumps over the lazy dog.\n\nParis is the capital of France. " + "It is old. " * 90


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``before``, ``after`` and ``lora``, which is an adapter for ``before``."""
    pytest.importorskip("transformers")
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("models")
    make_tiny_model(folder / "before")
    make_tiny_model(folder / "after", seed=1)
    shape = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    model = AutoModelForCausalLM.from_pretrained(folder / "before")
    peft.get_peft_model(model, shape).save_pretrained(folder / "lora")
    (folder / "text.txt").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def found(folders: Path) -> tuple[EvaluateSettings, Evaluation]:
    given = settings(folders, 4, base="before", tuned="after", more=("lora", named("base")), max_tokens=5,
                     reference_text="text.txt")  # fmt: skip
    return given, evaluate(given)


def test_folders_and_adapters_are_models(found: tuple[EvaluateSettings, Evaluation]) -> None:
    models = found[1].models
    assert [model["name"] for model in models] == ["base", "tuned", "lora", "base-2"]
    assert [model["model"] for model in models[:3]] == [f"transformers:{name}" for name in ("before", "after", "lora")]
    assert len({model["revision"] for model in models[:3]}) == 3, "named by their content"
    assert found[1].measure("lora", "length") is not None


def test_perplexity_is_of_models_that_can_score_a_text(found: tuple[EvaluateSettings, Evaluation]) -> None:
    import math

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    given, evaluation = found
    own = evaluation.measure("tuned", "perplexity")
    assert own is not None
    folder = given.where / "after"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    nats = count = 0.0
    from constitutional.evaluation.perplexity import passages

    for text in passages("text.txt", given.where):
        ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
        with torch.no_grad():
            nats += float(model(input_ids=ids, labels=ids).loss) * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    assert own.value == pytest.approx(math.exp(nats / count), rel=1e-4)
    assert own.n == count
    assert own.low <= own.value <= own.high
    assert evaluation.measure("base-2", "perplexity") is None
    assert evaluation.not_measured["perplexity"].startswith("base-2 cannot score a text")


def test_the_same_again_loads_no_model(
    found: tuple[EvaluateSettings, Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    from constitutional.models.transformers import TransformersModel

    def load(model: TransformersModel) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(TransformersModel, "_load", load)
    given, before = found
    assert evaluate(given).to_json() == before.to_json()


def test_an_adapter_whose_model_is_gone_says_so(folders: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "lora"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "/nowhere/model"}')
    with pytest.raises(ModelUnavailableError, match="the model that this LoRA adapter belongs to is not at /nowhere"):
        evaluate(settings(tmp_path, 2, tuned=str(adapter)))
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelUnavailableError, match=r"adapter_config.json does not say which model it belongs to"):
        evaluate(settings(tmp_path, 2, tuned=str(adapter)))


def test_a_server_answers_and_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    with serve() as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        models = {name: ModelConfig(name=f"openai:{name}", base_url=url) for name in ("before", "after", "judge")}
        given = settings(tmp_path, rows=prompts(6), base=models["before"], tuned=models["after"],
                         models={"judge": models["judge"]})  # fmt: skip
        evaluation = evaluate(given)
        asked = len(server.log())
        again = evaluate(given)
        assert len(server.log()) == asked
    assert again.to_json() == evaluation.to_json()
    assert [model["model"] for model in evaluation.models] == ["openai:before", "openai:after"]
    assert evaluation.usage["prompt_tokens"] > 0
    assert evaluation.measure("tuned", "violation_rate") is not None
