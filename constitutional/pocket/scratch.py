"""A pocket model from nothing: corpus, tokenizer, network, training, and the folder that transformers and vLLM load."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from constitutional.pocket import cache
from constitutional.pocket.corpus import Amounts, corpus, texts
from constitutional.pocket.network import Progress, encode, new_model, train
from constitutional.pocket.tokenizer import train_tokenizer
from constitutional.resources import data_folder

_DECIDES = ("answers", "corpus", "jobs", "network", "oracle", "pools", "scratch", "tokenizer", "words", "world")
"""The modules of this package that decide what a trained model is like."""


def make(
    folder: Path, seed: int, amounts: Amounts | None = None, tell: Progress | None = None, part: Path | None = None
) -> None:
    """Train a model and write its folder. With ``part``, a call after one that was stopped goes on where that was."""
    examples = corpus(amounts or Amounts(), seed)
    tokenizer = train_tokenizer(texts(examples))
    model = new_model(tokenizer, seed)
    train(model, encode(tokenizer, examples), seed, tell=tell, part=part)
    write(folder, model, tokenizer)


def write(folder: Path, model: Any, tokenizer: Any) -> None:
    """In half precision, which changes no answer that was looked at and halves what has to be shipped."""
    import torch
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    model = model.to(torch.float16)
    weights = {name: weight.contiguous() for name, weight in model.state_dict().items() if name != "lm_head.weight"}
    (folder / "model.safetensors").write_bytes(save(weights, {"format": "pt"}))
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def from_scratch(seed: int, tell: cache.Tell, progress: Progress | None = None, amounts: Amounts | None = None) -> Path:
    """The model of this code and this seed, trained now unless it is in the cache. Stopped, it goes on the next time."""
    name = key(seed, amounts)
    part = cache.root() / f"{name}.part"

    def build(folder: Path) -> None:
        make(folder, seed, amounts, progress, part)

    made = cache.cached(name, build, tell)
    part.unlink(missing_ok=True)
    return made


def find(seed: int, amounts: Amounts | None = None) -> Path | None:
    """The same without training."""
    return cache.find(key(seed, amounts))


def key(seed: int, amounts: Amounts | None = None) -> str:
    """Names what comes out of training: the code, the templates, the constitution, the seed and the size."""
    found = blake2b(repr((seed, amounts or Amounts())).encode(), digest_size=8)
    here = Path(__file__).parent
    prompts = data_folder("prompts")
    sources = [here / f"{module}.py" for module in _DECIDES]
    sources += [*sorted((prompts / "pocket").glob("*.jinja")), prompts / "_dialogue.jinja"]
    for source in (*sources, data_folder("constitutions") / "pocket.yaml"):
        found.update(source.read_bytes())
    return f"{found.hexdigest()}-seed-{seed}"
