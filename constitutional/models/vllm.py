"""vLLM in this process: continuous batching over every coroutine that asks, and one prefix cache for all.

The engine runs in processes that are spawned, and a spawned process imports the main module again: a program
that uses this adapter needs an ``if __name__ == "__main__":`` guard. (The command line has one.)
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from constitutional.core.messages import ChatReply, ChatRequest, Choice, Usage
from constitutional.errors import RequestRefusedError, TransientError
from constitutional.models.local.checkpoint import LocalModel
from constitutional.models.local.options import Answer, Tokens, choose, spellings
from constitutional.models.local.rendering import Renderer, end_tokens
from constitutional.models.vllm_engine import SharedEngine, refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from constitutional.roles import ModelSetup

R = TypeVar("R")
_NO_EFFECT_ON_REPLIES = frozenset(
    {
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "data_parallel_backend",
        "distributed_executor_backend",
        "device_ids",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "cpu_offload_gb",
        "max_num_seqs",
        "max_num_batched_tokens",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "block_size",
        "enforce_eager",
        "download_dir",
        "load_format",
        "disable_log_stats",
        "enable_sleep_mode",
        "enable_lora",
        "max_loras",
        "max_lora_rank",
    }
)
"""Where and how fast. Every other engine option is part of the model's identity: better one call too many."""

_IDS_PER_REQUEST = 128
"""How many log-probabilities vLLM gives for one request."""


class VLLMOptions(BaseModel, extra="forbid"):
    engine: dict[str, Any] = {}
    """Handed to vLLM's ``AsyncEngineArgs`` as it is: ``tensor_parallel_size``, ``max_model_len``, …"""
    chat_template: str | None = None
    """A Jinja file to use in place of the tokenizer's own."""
    chat_template_kwargs: dict[str, Any] = {}
    """Variables of the chat template, such as ``enable_thinking: false``."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Engine:
    llm: Any
    renderer: Renderer
    ends: frozenset[int]


class VLLMModel:
    has_queue: Literal[True] = True

    def __init__(self, model: LocalModel, options: VLLMOptions) -> None:
        self._model = model
        self._options = options
        self._shared = SharedEngine.of(model, options.engine)
        self._joined = False
        self._current: _Engine | None = None
        settings = options.engine.items()
        self._identity = model.identity({k: v for k, v in settings if k not in _NO_EFFECT_ON_REPLIES})

    @classmethod
    def create(cls, setup: ModelSetup) -> VLLMModel:
        """Cheap: the engine starts at the first request."""
        options: VLLMOptions = setup.options or VLLMOptions()
        return cls(LocalModel.of(setup, options.chat_template, options.chat_template_kwargs, adapters=True), options)

    @property
    def id(self) -> str:
        return self._model.id

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._identity

    @property
    def engine(self) -> SharedEngine:
        return self._shared

    def places(self) -> int | None:
        return self._shared.places()

    async def chat(self, request: ChatRequest) -> ChatReply:
        return await self._use(lambda engine: self._chat(engine, request))

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        """One token of one forward pass, unless options begin alike: see ``options.py``."""
        return await self._use(lambda engine: self._choose(engine, request, options))

    async def _use(self, work: Callable[[_Engine], Awaitable[R]]) -> R:
        if not self._joined:
            self._joined = True
            self._shared.joined()

        async def on(llm: Any) -> R:
            return await work(await self._engine(llm))

        return await self._shared.use(on)

    async def _engine(self, llm: Any) -> _Engine:
        """With the renderer of this model, made once for each engine."""
        if self._current is None or self._current.llm is not llm:
            self._current = await self._shared.in_thread(lambda: self._on(llm))
        return self._current

    def _on(self, llm: Any) -> _Engine:
        tokenizer, config = llm.get_tokenizer(), llm.model_config
        if self._model.tokenizer != self._model.path:
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(self._model.tokenizer)
        ends = end_tokens(tokenizer.eos_token_id, config.try_get_generation_config().get("eos_token_id"))
        return _Engine(llm, Renderer(self._model, tokenizer, config.max_model_len), ends)

    async def _chat(self, engine: _Engine, request: ChatRequest) -> ChatReply:
        prompt = await self._in_thread(lambda: engine.renderer.render(request.messages))
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        asked = request.sampling
        limit = engine.renderer.room(len(prompt), asked.max_tokens)
        try:
            params = SamplingParams(
                temperature=1.0 if asked.temperature is None else asked.temperature,
                top_p=1.0 if asked.top_p is None else asked.top_p,
                max_tokens=limit,
                seed=asked.seed,
                stop=list(asked.stop),
                structured_outputs=StructuredOutputsParams(json=dict(request.schema)) if request.schema else None,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )
        except refusals() as error:
            raise RequestRefusedError(f"{self.id}: {error}") from error
        output = await self._generate(engine, prompt, params)
        completion = output.outputs[0]
        if completion.finish_reason == "error":
            raise TransientError(f"{self.id}: vLLM failed on this request")
        text, reasoning = engine.renderer.answer(prompt, completion.text)
        return ChatReply(text, completion.finish_reason or "stop", _usage(output), reasoning)

    async def _choose(self, engine: _Engine, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        prompt, spelled = await self._in_thread(
            lambda: (engine.renderer.render(request.messages), spellings(options, engine.renderer.encode))
        )
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        async def ask(beginning: Tokens, ids: Tokens) -> Answer:
            engine.renderer.room(len(prompt) + len(beginning))
            logprobs: dict[int, float] = {}
            usage = Usage()
            for start in range(0, len(ids), _IDS_PER_REQUEST):
                some = list(ids[start : start + _IDS_PER_REQUEST])
                params = SamplingParams(
                    max_tokens=1,
                    temperature=0.0,
                    logprob_token_ids=some,
                    detokenize=False,
                    output_kind=RequestOutputKind.FINAL_ONLY,
                )
                output = await self._generate(engine, [*prompt, *beginning], params)
                found = output.outputs[0].logprobs[0]
                logprobs |= {token: found[token].logprob for token in some}
                usage = _usage(output, usage)
            return logprobs, usage

        return await choose(spelled, engine.ends, ask)

    async def aclose(self) -> None:
        """Call it when every request is answered or cancelled."""
        if self._joined:
            self._joined = False
            await self._shared.left()

    async def _in_thread(self, work: Any) -> Any:
        return await self._shared.in_thread(work)

    async def _generate(self, engine: _Engine, prompt: list[int], params: Any) -> Any:
        return await self._shared.generate(engine.llm, prompt, params, self._model.adapter)


def _usage(output: Any, before: Usage | None = None) -> Usage:
    before = before or Usage()
    return Usage(
        before.prompt + len(output.prompt_token_ids),
        before.completion + len(output.outputs[0].token_ids),
        before.cached + (output.num_cached_tokens or 0),
    )
