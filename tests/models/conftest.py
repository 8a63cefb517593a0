"""One tiny model folder and one vLLM engine per session, and transformers' own logits to compare with."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from constitutional.core.messages import ChatRequest, Choice, Sampling
from constitutional.core.records import Message
from constitutional.models.vllm import VLLMModel, VLLMOptions
from constitutional.roles import ModelSetup
from tests.support.tiny_model import make_tiny_model
from tests.training.planted import write_dataset

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

T = TypeVar("T")

ENGINE = {"enforce_eager": True, "dtype": "float32", "max_model_len": 1024, "max_num_seqs": 64}


def ask(text: str, **sampling: Any) -> ChatRequest:
    return ChatRequest((Message("user", text),), Sampling(**sampling))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `constitutional train` wrote, after one small step from random weights: so whatever loads a model here shows
    that it loads a trained one."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    random = make_tiny_model(folder / "random" / "tiny")
    if importlib.util.find_spec("trl") is None:
        return random
    from constitutional.training.run import train
    from constitutional.training.settings import TrainSettings

    data = write_dataset(folder / "data", 20)
    settings = TrainSettings(
        source=str(data), model=str(random), out=str(folder / "tiny"), max_steps=1, samples=0, cpu=True
    )
    return train(settings).out


class Reference:
    """One prompt at a time, no cache, no padding: what the adapters must agree with."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def prompt(self, text: str) -> list[int]:
        turns = [{"role": "user", "content": text}]
        return list(self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False))

    def probability(self, prompt: list[int], following: list[int]) -> float:
        """That the model continues the prompt with exactly these tokens."""
        import torch

        with torch.inference_mode():
            logits = self.model(torch.tensor([prompt + following])).logits[0].double()
        logprobs = torch.log_softmax(logits, -1)
        chosen = [logprobs[len(prompt) + at - 1, token] for at, token in enumerate(following)]
        return float(torch.stack(chosen).sum().exp())

    def spelled(self, prompt: list[int], text: str, end: bool = False) -> float:
        """With and without a space before it."""
        after = [self.tokenizer.eos_token_id] if end else []
        encode = self.tokenizer.encode
        return sum(self.probability(prompt, encode(word) + after) for word in (text, " " + text))


def told_apart(choice: Choice, reference: Reference, text: str) -> None:
    """Of the options 1, 2 and 10, two begin alike: 1 is the reply that ends there."""
    prompt = reference.prompt(text)
    weights = [
        reference.spelled(prompt, "1", end=True),
        reference.spelled(prompt, "2"),
        reference.spelled(prompt, "10"),
    ]
    assert choice.probabilities == pytest.approx([w / sum(weights) for w in weights], abs=1e-3)
    assert choice.mass == pytest.approx(sum(weights), rel=1e-3)


@pytest.fixture(scope="session")
def reference(tiny_folder: Path) -> Reference:
    return Reference(tiny_folder)


@dataclass(frozen=True)
class Engine:
    """vLLM belongs to the event loop of its first request: the session's engine has a loop of its own."""

    model: VLLMModel
    loop: asyncio.AbstractEventLoop
    printed: str
    """What reached standard output while the engine started."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=240)


@pytest.fixture(scope="session")
def engine(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    model = VLLMModel.create(ModelSetup("vllm", str(tiny_folder), VLLMOptions(engine=ENGINE)))
    output = tmp_path_factory.mktemp("vllm") / "stdout"
    try:
        with _stdout_in(output):
            Engine(model, loop, "").run(_three_at_once(model))
        yield Engine(model, loop, output.read_text())
    finally:
        asyncio.run_coroutine_threadsafe(model.aclose(), loop).result(timeout=60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _three_at_once(model: VLLMModel) -> None:
    await asyncio.gather(*(model.chat(ask("Hello?", max_tokens=1)) for _ in range(3)))


@contextlib.contextmanager
def _stdout_in(path: Path) -> Iterator[None]:
    sys.stdout.flush()
    kept = os.dup(1)
    with path.open("w") as file:
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
