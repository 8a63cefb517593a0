"""A reward model in this process: any sequence-classification checkpoint of transformers with one output.

One dialogue with its answer, one number; the more, the better. What concurrent callers wait for runs as one padded batch.
A checkpoint is loaded at the first question, and once, whoever asks: a judge, a scorer and a panel share it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError as JinjaError

from constitutional.core.records import Message, Messages, Reason
from constitutional.errors import ConfigError, ModelUnavailableError, RequestRefusedError
from constitutional.models.local.away import loading
from constitutional.models.local.checkpoint import LocalModel
from constitutional.models.local.loading import in_one_line, placed, prepare_transformers
from constitutional.models.local.padded import Batches
from constitutional.models.started import Started
from constitutional.roles import ModelSetup

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDER = "reward-model"


@dataclass(frozen=True, slots=True)
class RewardSetup:
    model: str
    revision: str | None = None
    dtype: str = "auto"
    device: str | None = None
    max_batch: int = 16
    trust_remote_code: bool = False


@dataclass(slots=True, eq=False)
class _Row:
    tokens: dict[str, list[int]]
    """``input_ids``, and whatever else the tokenizer says of each of them."""
    future: Future[Any] = field(default_factory=Future)
    abandoned: bool = False

    @property
    def length(self) -> int:
        return len(self.tokens["input_ids"])


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    tokenizer: Any
    context: int


class RewardModel:
    def __init__(self, setup: RewardSetup) -> None:
        self._setup = setup
        self._model = LocalModel.of(ModelSetup(PROVIDER, setup.model, None, revision=setup.revision), None, {})
        _check_folder(self._model, setup.trust_remote_code)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reward-model")
        self._loaded = Started(self._load, self._thread)
        self._batches: Batches[_Row] = Batches(self._thread, self._run, setup.max_batch, self._too_big)

    @property
    def id(self) -> str:
        return self._model.id

    @property
    def identity(self) -> Mapping[str, Any]:
        """What a reward depends on besides the text: a folder's content or a Hub revision, and the number format."""
        return self._model.identity({} if self._setup.dtype == "auto" else {"dtype": self._setup.dtype})

    async def reward(self, messages: Messages, answer: str) -> float:
        await self._loaded.get()
        reward: float = await self._batches.settled(_Row(self._tokens(messages, answer)))
        if not isfinite(reward):
            raise RequestRefusedError(
                f"{self.id}: the reward is {reward}, no number: try dtype: float32", "not_a_number"
            )
        return reward

    def close(self) -> None:
        self._batches.cancel()
        self._thread.shutdown()

    def _tokens(self, messages: Messages, answer: str) -> dict[str, list[int]]:
        """As the chat template writes it; of a model without one, the dialogue and the answer as a pair of texts."""
        loaded = self._ready()
        tokenizer = loaded.tokenizer
        try:
            if tokenizer.chat_template is not None:
                turns = [message._asdict() for message in (*messages, Message("assistant", answer))]
                told = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True)
            else:
                told = tokenizer(_as_text(messages), answer)
        except (JinjaError, ValueError) as error:
            problem = f"{self.id}: the chat template refuses this dialogue: {error}"
            raise RequestRefusedError(problem, "chat_template") from error
        tokens = {name: list(values) for name, values in told.items()}
        if len(tokens["input_ids"]) > loaded.context:
            problem = f"{self.id}: dialogue and answer have {len(tokens['input_ids'])} tokens of {loaded.context}"
            raise RequestRefusedError(problem, Reason.CONTEXT_TOO_LONG)
        return tokens

    def _ready(self) -> _Loaded:
        if self._loaded.future is None:
            raise ModelUnavailableError(f"{self.id}: not loaded")
        return self._loaded.future.result()

    def _run(self, rows: list[_Row]) -> None:
        """Padded on the right: encoders look at the first token, causal models at the last that is not padding."""
        import torch

        loaded = self._ready()
        config = loaded.model.config.get_text_config()
        known = config.pad_token_id
        pad = known if known is not None else _unused(rows)
        width = max(row.length for row in rows)
        fill = {"input_ids": pad, "attention_mask": 0}
        padded = {
            name: torch.tensor([row.tokens[name] + [fill.get(name, 0)] * (width - row.length) for row in rows])
            for name in rows[0].tokens
        }
        try:
            config.pad_token_id = known if known is not None or len(rows) == 1 else pad
            logits = loaded.model(**{name: values.to(loaded.model.device) for name, values in padded.items()}).logits
        finally:
            config.pad_token_id = known
        for row, reward in zip(rows, logits.float()[:, 0].tolist(), strict=True):
            row.future.set_result(reward)

    def _too_big(self, row: _Row) -> Exception:
        return RequestRefusedError(f"{self.id}: {row.length} tokens do not fit in memory", Reason.CONTEXT_TOO_LONG)

    @loading()
    def _load(self) -> _Loaded:
        prepare_transformers(self.id)
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        setup = self._setup
        device, dtype = placed(setup.device, setup.dtype)
        where = {"revision": self._model.revision, "trust_remote_code": setup.trust_remote_code}
        self._model.check_there()
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._model.path, **where)
            model, told = AutoModelForSequenceClassification.from_pretrained(
                self._model.path, dtype=dtype, output_loading_info=True, **where
            )
        except Exception as error:  # whatever it is, nothing can be graded
            raise self._model.not_loaded(error) from error
        if missing := sorted(told["missing_keys"]):
            raise ModelUnavailableError(f"{self.id}: no reward model: its checkpoint has no {', '.join(missing[:3])}")
        if model.config.num_labels != 1:
            raise ModelUnavailableError(_labels(self.id, model.config.num_labels))
        places = model.config.get_text_config().to_dict().get("max_position_embeddings")
        context = min(places or tokenizer.model_max_length, tokenizer.model_max_length)
        return _Loaded(model.eval().to(device), tokenizer, context)


_models: dict[RewardSetup, RewardModel] = {}
_making = threading.Lock()


def reward_model(setup: RewardSetup) -> RewardModel:
    """The one of this process. A missing folder is an error now, a wrong Hub name when it is loaded; a folder that was
    trained again since is another model."""
    made = RewardModel(setup)
    with _making:
        known = _models.get(setup)
        if known is not None and known.identity == made.identity:
            return known
        _models[setup] = made
        return made


def _check_folder(model: LocalModel, trust_remote_code: bool) -> None:
    """What a folder's own description says already, before anything is paid for."""
    path = Path(model.path) / "config.json"
    if not path.is_file() or trust_remote_code:
        return
    try:
        config = json.loads(path.read_text("utf-8"))
        names = [str(name) for name in config.get("architectures") or []]
        labels = len(config.get("id2label") or "12")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{model.id}: config.json cannot be read: {in_one_line(error)}") from error
    if names and not any("SequenceClassification" in name for name in names):
        raise ConfigError(
            f"{model.id}: no reward model but a {names[0]}: give one that was trained for sequence classification"
        )
    if labels != 1:
        raise ConfigError(_labels(model.id, labels))


def _labels(name: str, labels: int) -> str:
    return f"{name}: no reward model: it has {labels} labels, a reward is one number (num_labels=1)"


def _unused(rows: list[_Row]) -> int:
    """A padding token where the checkpoint names none: any that no row ends with leaves every row's last token the last."""
    last = {row.tokens["input_ids"][-1] for row in rows}
    return next(token for token in range(len(rows) + 1) if token not in last)


def _as_text(messages: Messages) -> str:
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{role.capitalize()}: {content}" for role, content in messages)
