"""A LoRA adapter beside its base on one vLLM engine, against the same adapter merged by peft."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from constitutional.config.run import ModelConfig
from constitutional.core.messages import ChatReply
from constitutional.evaluation.run import evaluate
from constitutional.models.vllm import VLLMModel, VLLMOptions
from constitutional.models.vllm_engine import SharedEngine
from constitutional.roles import ModelSetup
from tests.evaluation.planted import settings
from tests.models.conftest import ENGINE, ask
from tests.support.tiny_model import make_tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.vllm]
TEXTS = ("Which answer is better, (A) or (B)?", "Hi", "How kind is this reply?")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and an adapter that changes what it says."""
    pytest.importorskip("vllm")
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    base = make_tiny_model(tmp_path_factory.mktemp("lora") / "base", context=4096)
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    adapter = base.parent / "tuned"
    model.save_pretrained(adapter)
    settings = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(settings | {"base_model_name_or_path": str(base)}))
    return base, adapter


def said_by(base: Path, adapter: Path | None = None) -> list[str]:
    """By transformers and peft alone."""
    import peft
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter is not None:
        model = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
    model.eval()
    said = []
    for text in TEXTS:
        turns = [{"role": "user", "content": text}]
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True, return_tensors="pt")
        out = model.generate(**ids, max_new_tokens=8, do_sample=False)
        said.append(tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))
    return said


def whole(text: str) -> str:
    """Without half a character at its end, which vLLM keeps back."""
    return text.rstrip("\ufffd")


def test_an_adapter_and_its_base_share_an_engine(folders: tuple[Path, Path]) -> None:
    async def run() -> tuple[list[ChatReply], list[ChatReply]]:
        models = [VLLMModel.create(ModelSetup("vllm", str(path), VLLMOptions(engine=ENGINE))) for path in folders]
        assert models[0]._shared is models[1]._shared
        assert models[0].identity != models[1].identity
        try:
            await models[1].chat(ask("Hi", max_tokens=1))  # the engine is up: what follows shares its steps
            replies = await asyncio.gather(
                *(model.chat(ask(text, temperature=0.0, max_tokens=8)) for model in models for text in TEXTS)
            )
            await models[0].aclose()
            again = await models[1].chat(ask(TEXTS[0], temperature=0.0, max_tokens=8))
            assert again.text == replies[3].text, "the engine is there as long as one of them is"
            return replies[:3], replies[3:]
        finally:
            for model in models:
                await model.aclose()

    plain, tuned = asyncio.run(run())
    assert [whole(reply.text) for reply in tuned] == [whole(text) for text in said_by(*folders)]
    assert [whole(reply.text) for reply in plain] == [whole(text) for text in said_by(folders[0])]
    assert [reply.text for reply in plain] != [reply.text for reply in tuned]


def test_base_adapter_and_judge_are_evaluated_on_one_engine(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[SharedEngine] = []
    start = SharedEngine.start

    def counted(self: SharedEngine) -> object:
        starts.append(self)
        return start(self)

    monkeypatch.setattr(SharedEngine, "start", counted)
    options = {"engine": ENGINE | {"max_model_len": 4096}}
    base, tuned = (ModelConfig(name=f"vllm:{folder}", options=options) for folder in folders)
    found = evaluate(
        settings(tmp_path, 4, base=base, tuned=tuned, max_tokens=8, models={"judge": base, "critic": base})
    )
    assert len(starts) == 1
    assert found.measure("tuned", "length") is not None
    assert found.failures == {}, "the judge was asked on the same engine"
