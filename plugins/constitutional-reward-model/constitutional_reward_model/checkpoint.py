"""A checkpoint of transformers, loaded when it is first asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from constitutional import MissingExtraError, ModelUnavailableError
from constitutional_reward_model.batches import Messages, Row


class Loaded(NamedTuple):
    model: Any
    tokenizer: Any


class Checkpoint:
    def __init__(self, name: str, revision: str | None) -> None:
        self._name = name
        self._revision = revision

    def rewards(self, rows: Sequence[Row]) -> list[float]:
        """One number a row, in one forward pass."""
        import torch

        loaded = self._loaded
        tokenized = [{"input_ids": self._tokens(messages, answer)} for messages, answer in rows]
        batch = loaded.tokenizer.pad(tokenized, return_tensors="pt").to(loaded.model.device)
        with torch.inference_mode():
            logits = loaded.model(**batch).logits
        return [float(value) for value in logits[:, 0].float().tolist()]

    def _tokens(self, messages: Messages, answer: str) -> list[int]:
        """As the chat template writes it; of a model without one, role by role."""
        tokenizer = self._loaded.tokenizer
        turns = [{"role": role, "content": text} for role, text in messages]
        turns.append({"role": "assistant", "content": answer})
        if tokenizer.chat_template is not None:
            text = tokenizer.apply_chat_template(turns, tokenize=False)
        else:
            text = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
        tokens: list[int] = tokenizer(text, add_special_tokens=tokenizer.chat_template is None)["input_ids"]
        # The end holds the answer: of a dialogue that does not fit, the beginning is left out.
        return tokens[-self._context :]

    @property
    def _context(self) -> int:
        places = getattr(self._loaded.model.config.get_text_config(), "max_position_embeddings", None)
        return int(places or 4096)

    @cached_property
    def _loaded(self) -> Loaded:
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ModuleNotFoundError as error:
            raise MissingExtraError.naming(str(error.name), "transformers") from error
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._name, revision=self._revision)
            model = AutoModelForSequenceClassification.from_pretrained(self._name, revision=self._revision)
        except (OSError, ValueError) as error:
            raise ModelUnavailableError(f"hf-reward: {self._name} cannot be loaded: {error}") from error
        if model.config.num_labels != 1:
            raise ModelUnavailableError(
                f"hf-reward: {self._name} has {model.config.num_labels} labels, a reward is one"
            )
        # Causal models look at the last token that is no padding: on which side it stands must not matter to them.
        tokenizer.padding_side = "right"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        model.config.pad_token_id = tokenizer.pad_token_id
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return Loaded(model.float().eval().to(device), tokenizer)


def fingerprint(folder: Path) -> str:
    """Of what a folder holds, whatever it is called."""
    found = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    found.update(block)
    return found.hexdigest()
