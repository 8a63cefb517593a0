"""A small local model through transformers, on the CPU or one GPU: no server and no second process.

What is waiting runs as one padded batch with a KV cache (``local/padded.py``). For anything big use vLLM: here a
batch admits nobody once it has begun, and no prompt uses another's cache.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling, Usage
from constitutional.core.records import Reason
from constitutional.errors import MissingExtraError, RequestRefusedError
from constitutional.models.local.away import loading
from constitutional.models.local.checkpoint import LocalModel
from constitutional.models.local.loading import placed, prepare_transformers
from constitutional.models.local.options import Answer, Tokens, choose, spellings
from constitutional.models.local.padded import Batches
from constitutional.models.local.rendering import Renderer, end_tokens
from constitutional.models.started import Started

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constitutional.roles import ModelSetup


class TransformersOptions(BaseModel, extra="forbid"):
    dtype: str = "auto"
    """A torch dtype by name. ``auto`` is float32 on the CPU and the checkpoint's own elsewhere."""
    device: str | None = None
    """``cuda`` where there is one, else ``cpu``."""
    max_batch: int = Field(default=32, ge=1)
    chat_template: str | None = None
    """A Jinja file to use in place of the tokenizer's own."""
    chat_template_kwargs: dict[str, Any] = {}
    """Variables of the chat template, such as ``enable_thinking: false``."""
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    renderer: Renderer
    ends: frozenset[int]


class TransformersModel:
    has_queue: Literal[True] = True

    def __init__(self, model: LocalModel, options: TransformersOptions) -> None:
        self._model = model
        self._options = options
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix="transformers-tokens")
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="transformers-model")
        self._loaded = Started(self._load, self._computing)
        self._batches: Batches[_Row] = Batches(self._computing, self._run, options.max_batch, self._too_big)
        self._identity = model.identity({} if options.dtype == "auto" else {"dtype": options.dtype})

    @classmethod
    def create(cls, setup: ModelSetup) -> TransformersModel:
        """Cheap: the weights are loaded at the first request."""
        options: TransformersOptions = setup.options or TransformersOptions()
        return cls(LocalModel.of(setup, options.chat_template, options.chat_template_kwargs, adapters=True), options)

    @property
    def id(self) -> str:
        return self._model.id

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._identity

    async def chat(self, request: ChatRequest) -> ChatReply:
        loaded = await self._loaded.get()
        renderer, sampling = loaded.renderer, request.sampling
        prompt = await self._tokenize(lambda: renderer.render(request.messages))
        row = _Row(prompt, limit=renderer.room(len(prompt), sampling.max_tokens), sampling=sampling)
        finish = await self._batches.settled(row)
        text = await self._tokenize(lambda: renderer.decode(row.out))
        if finish == "length":
            text = text.rstrip("\N{REPLACEMENT CHARACTER}")  # a character that was cut in the middle
        cuts = [at for stop in sampling.stop if (at := text.find(stop)) >= 0]
        text, reasoning = renderer.answer(prompt, text[: min(cuts)] if cuts else text)
        return ChatReply(text, finish, Usage(len(prompt), row.drawn), reasoning)

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        """One forward pass, unless options begin alike: see ``options.py``."""
        loaded = await self._loaded.get()
        renderer = loaded.renderer
        prompt, spelled = await self._tokenize(
            lambda: (renderer.render(request.messages), spellings(options, renderer.encode))
        )

        async def ask(beginning: Tokens, ids: Tokens) -> Answer:
            renderer.room(len(prompt) + len(beginning))
            row = _Row([*prompt, *beginning], wanted=ids)
            logprobs = await self._batches.settled(row)
            return dict(zip(ids, logprobs, strict=True)), Usage(len(row.prompt), 1)

        return await choose(spelled, loaded.ends, ask)

    async def surprise(self, texts: Sequence[str]) -> list[tuple[float, int]]:
        """Of each text, by itself: −log P of its tokens after the first, and how many these are. Implements
        ``evaluation.perplexity.ScoresText``."""
        loaded = await self._loaded.get()
        return await asyncio.get_running_loop().run_in_executor(self._computing, lambda: _surprise(loaded, texts))

    async def aclose(self) -> None:
        """Waits for the batch that runs; what still queues is cancelled."""
        self._batches.cancel()
        self._tokenizing.shutdown(wait=False)
        await asyncio.to_thread(self._computing.shutdown)
        self._loaded.future = None

    async def _tokenize(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._tokenizing, work)

    def _run(self, rows: list[_Row]) -> None:
        if self._loaded.future is not None:
            _Batch(self._loaded.future.result(), rows).run()

    def _too_big(self, row: _Row) -> Exception:
        refusal = f"{self.id}: {len(row.prompt)} tokens and their answer do not fit in memory"
        return RequestRefusedError(refusal, Reason.CONTEXT_TOO_LONG)

    @loading()
    def _load(self) -> _Loaded:
        prepare_transformers(self.id)
        from transformers import AutoModelForCausalLM, AutoTokenizer

        options = self._options
        device, dtype = placed(options.device, options.dtype)
        where = {"revision": self._model.revision, "trust_remote_code": options.trust_remote_code}
        self._model.check_there()
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._model.tokenizer, **where)
            model = AutoModelForCausalLM.from_pretrained(self._model.path, dtype=dtype, **where)
            if self._model.adapter is not None:
                model = _with_adapter(model, self._model.adapter)
            model = model.to(device)
        except MissingExtraError:
            raise
        except Exception as error:  # whatever it is, no request can be answered
            raise self._model.not_loaded(error) from error
        config = model.config.get_text_config().to_dict()
        context = config.get("max_position_embeddings") or tokenizer.model_max_length
        ends = end_tokens(tokenizer.eos_token_id, model.generation_config.eos_token_id)
        return _Loaded(model.eval(), Renderer(self._model, tokenizer, context), ends)


def _surprise(loaded: _Loaded, texts: Sequence[str]) -> list[tuple[float, int]]:
    import torch

    found = []
    for text in texts:
        ids = loaded.renderer.encode(text)[: loaded.renderer.context]
        if len(ids) < 2:
            found.append((0.0, 0))
            continue
        tokens = torch.tensor([ids], device=loaded.model.device)
        with torch.inference_mode():
            logits = loaded.model(input_ids=tokens).logits[0, :-1].float()
        own = torch.log_softmax(logits, -1).gather(-1, tokens[0, 1:, None])
        found.append((-float(own.double().sum()), len(ids) - 1))
    return found


def _with_adapter(model: Any, folder: str) -> Any:
    """Worked into the weights, so that it runs as fast as without one."""
    try:
        import peft
    except ModuleNotFoundError as error:
        raise MissingExtraError.naming("peft", "train") from error
    return peft.PeftModel.from_pretrained(model, folder).merge_and_unload()


@dataclass(slots=True, eq=False)
class _Row:
    """One request: for an answer (``limit``) or the log-probabilities of some next tokens (``wanted``)."""

    prompt: list[int]
    limit: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    wanted: Tokens = ()
    future: Future[Any] = field(default_factory=Future)
    abandoned: bool = False
    out: list[int] = field(default_factory=list)
    drawn: int = 0
    generator: Any = None
    """The row's own: what it draws depends on its seed and its logits, not on who shares the batch."""

    def restart(self) -> None:
        import torch

        self.out, self.drawn, self.generator = [], 0, torch.Generator()
        if self.sampling.seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(self.sampling.seed)

    @property
    def temperature(self) -> float:
        return 1.0 if self.sampling.temperature is None else self.sampling.temperature

    @property
    def top_p(self) -> float:
        return 1.0 if self.sampling.top_p is None else self.sampling.top_p

    def take(self, token: int, loaded: _Loaded) -> bool:
        """Whether the answer goes on after this token; where it does not, the future says why."""
        self.drawn += 1
        finish = None
        if token in loaded.ends:
            finish = "stop"
        else:
            self.out.append(token)
            if self._stopped(loaded.renderer):
                finish = "stop"
            elif self.drawn >= self.limit or self.abandoned:
                finish = "length"
        if finish:
            self.future.set_result(finish)
        return finish is None

    def _stopped(self, renderer: Renderer) -> bool:
        """Looks at the last tokens only: every one but special ones is at least a byte of text."""
        if not self.sampling.stop:
            return False
        longest = max(len(stop.encode()) for stop in self.sampling.stop)
        tail = renderer.decode(self.out[-longest - 8 :])
        return any(stop in tail for stop in self.sampling.stop)


class _Batch:
    """Padded on the left, so that every row's next token is at the end. A row that is done leaves."""

    def __init__(self, loaded: _Loaded, rows: list[_Row]) -> None:
        import torch

        self.loaded = loaded
        self.rows = rows
        width = max(len(row.prompt) for row in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for at, row in enumerate(rows):
            row.restart()
            ids[at, width - len(row.prompt) :] = torch.tensor(row.prompt)
            mask[at, width - len(row.prompt) :] = 1
        self.ids, self.mask = ids.to(loaded.model.device), mask.to(loaded.model.device)
        self.positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
        self.cache: Any = None

    def run(self) -> None:
        import torch

        logits = self._forward()
        live = []
        for at, row in enumerate(self.rows):
            if row.wanted:
                row.future.set_result(torch.log_softmax(logits[at], -1)[list(row.wanted)].tolist())
            else:
                live.append(at)
        logits = logits[live]
        self._keep(live)
        while self.rows:
            tokens = _draw(logits, self.rows)
            taken = zip(self.rows, tokens.tolist(), strict=True)
            live = [at for at, (row, token) in enumerate(taken) if row.take(token, self.loaded)]
            self.ids = tokens[:, None]
            self._keep(live)
            if self.rows:
                self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.rows), 1)], dim=1)
                self.positions = self.positions[:, -1:] + 1
                logits = self._forward()

    def _forward(self) -> Any:
        result = self.loaded.model(
            input_ids=self.ids,
            attention_mask=self.mask,
            position_ids=self.positions,
            past_key_values=self.cache,
            use_cache=any(row.limit for row in self.rows),
            logits_to_keep=1,
        )
        self.cache = result.past_key_values
        return result.logits[:, -1].float()

    def _keep(self, live: list[int]) -> None:
        if live and len(live) < len(self.rows):
            self.cache.batch_select_indices(self.mask.new_tensor(live))
            self.ids, self.mask, self.positions = self.ids[live], self.mask[live], self.positions[live]
        self.rows = [self.rows[at] for at in live]


def _draw(logits: Any, rows: list[_Row]) -> Any:
    """The next token of each row: the likeliest at temperature 0, else drawn with the row's generator."""
    import torch

    tokens = logits.argmax(-1)
    for nucleus in (False, True):
        some = [at for at, row in enumerate(rows) if row.temperature > 1e-5 and (row.top_p < 1) == nucleus]
        if not some:
            continue
        heat = logits.new_tensor([[rows[at].temperature] for at in some])
        weights = torch.softmax(logits[some] / heat, -1).double()
        order = None
        if nucleus:
            weights, order = torch.sort(weights, dim=-1, descending=True, stable=True)
            top_p = weights.new_tensor([[rows[at].top_p] for at in some])
            weights = weights.masked_fill(weights.cumsum(-1) - weights >= top_p, 0.0)
        below = weights.cumsum(-1)
        draws = torch.cat([torch.rand(1, 1, generator=rows[at].generator).double() for at in some])
        found = torch.searchsorted(below, draws.to(below.device) * below[:, -1:], right=True)
        found = found.clamp(max=below.shape[-1] - 1)
        tokens[some] = (found if order is None else order.gather(-1, found)).squeeze(-1)
    return tokens
