"""vLLM in this process: continuous batching over every coroutine that asks, and one prefix cache for all.

The engine runs in processes that are spawned, and a spawned process imports the main module again: a program
that uses this adapter needs an ``if __name__ == "__main__":`` guard. (The command line has one.)
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from constitutional.core.messages import ChatReply, ChatRequest, Choice, Usage
from constitutional.errors import (
    ConfigError,
    MissingExtraError,
    ModelUnavailableError,
    RequestRefusedError,
    TransientError,
    near_matches,
)
from constitutional.models.engine import Engine, EngineDied
from constitutional.models.local import LocalModel, Once, Renderer, end_tokens, in_one_line
from constitutional.models.options import Answer, Tokens, choose, spellings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from constitutional.roles import ModelSetup

_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # standard output is for results
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork of a process with threads can hang
}

_NO_EFFECT_ON_REPLIES = frozenset(
    {
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "data_parallel_backend",
        "distributed_executor_backend",
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
    }
)
"""Where and how fast. Every other engine option is part of the model's identity: better one call too many."""

_IDS_PER_REQUEST = 128
"""How many log-probabilities vLLM gives for one request."""

_starting = threading.Lock()
"""Engines start one after another: each measures the free memory, and each borrows standard output."""


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
    def __init__(self, model: LocalModel, options: VLLMOptions) -> None:
        self._model = model
        self._options = options
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm-adapter")
        self._engine = Engine(lambda: Once(self._start, self._thread), self._bury)
        self._numbers = itertools.count()
        settings = options.engine.items()
        self._identity = model.identity({k: v for k, v in settings if k not in _NO_EFFECT_ON_REPLIES})

    @classmethod
    def create(cls, setup: ModelSetup) -> VLLMModel:
        """Cheap: the engine starts at the first request."""
        options: VLLMOptions = setup.options or VLLMOptions()
        return cls(LocalModel.of(setup, options.chat_template, options.chat_template_kwargs), options)

    @property
    def id(self) -> str:
        return self._model.id

    @property
    def identity(self) -> Mapping[str, Any]:
        return self._identity

    async def chat(self, request: ChatRequest) -> ChatReply:
        return await self._engine.use(lambda engine: self._chat(engine, request))

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        """One token of one forward pass, unless options begin alike: see ``options.py``."""
        return await self._engine.use(lambda engine: self._choose(engine, request, options))

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
        except _vllm_refusals() as error:
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
        if self._engine.started:
            with contextlib.suppress(Exception):  # an engine that did not start has said so to its callers
                engine = await self._engine.get()
                with _unlogged("vllm.v1.engine.async_llm"):
                    await asyncio.to_thread(engine.llm.shutdown)
                    await asyncio.sleep(0)
        self._thread.shutdown(wait=False)

    async def _bury(self, engine: _Engine) -> None:
        with _unlogged("vllm.v1.engine.async_llm"):
            await asyncio.to_thread(engine.llm.shutdown)

    async def _in_thread(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _generate(self, engine: _Engine, prompt: list[int], params: Any) -> Any:
        """The finished request. Cancelling this coroutine aborts it in the engine."""
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        try:
            outputs = engine.llm.generate(tokens_input(prompt), params, str(next(self._numbers)))
            return [output async for output in outputs][-1]
        except EngineDeadError as error:
            raise EngineDied(
                f"{self.id}: the vLLM engine has stopped; the reason is in its log above. "
                "Out of memory? Try a smaller max_model_len, max_num_seqs or gpu_memory_utilization"
            ) from error
        except EngineGenerateError as error:
            raise TransientError(f"{self.id}: vLLM failed on this request: {error.__cause__}") from error
        except _vllm_refusals() as error:
            raise RequestRefusedError(f"{self.id}: {error}") from error

    def _start(self) -> _Engine:
        """Blocking, for half a minute or more."""
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with _starting, _stdout_to_stderr():
            try:
                from vllm.engine.arg_utils import AsyncEngineArgs
                from vllm.platforms import current_platform
                from vllm.v1.engine.async_llm import AsyncLLM
            except ModuleNotFoundError as error:
                if error.name != "vllm":
                    raise ModelUnavailableError(f"{self.id}: vLLM cannot be imported: {error}") from error
                raise MissingExtraError.naming("vllm", "vllm") from error
            chosen = self._options.engine
            known = {field.name for field in dataclasses.fields(AsyncEngineArgs)} - {"model", "revision"}
            for name in sorted(chosen.keys() - known):
                raise ConfigError(f"{self.id}: vLLM has no engine option {name!r}{near_matches(name, known)}")
            if current_platform.is_cpu() and "kv_cache_memory_bytes" not in chosen:
                os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
            settings = {"disable_log_stats": True, **chosen}
            try:
                arguments = AsyncEngineArgs(self._model.path, revision=self._model.revision, **settings)
                llm = AsyncLLM.from_engine_args(arguments)
            except Exception as error:  # whatever it is, no request can be answered
                raise ModelUnavailableError(f"{self.id}: vLLM did not start: {in_one_line(error)}") from error
        tokenizer = llm.get_tokenizer()
        config = llm.model_config
        ends = end_tokens(tokenizer.eos_token_id, config.try_get_generation_config().get("eos_token_id"))
        return _Engine(llm, Renderer(self._model, tokenizer, config.max_model_len), ends)


def _vllm_refusals() -> tuple[type[Exception], ...]:
    from vllm.exceptions import VLLMValidationError

    return (VLLMValidationError, ValueError)


def _usage(output: Any, before: Usage | None = None) -> Usage:
    before = before or Usage()
    return Usage(
        before.prompt + len(output.prompt_token_ids),
        before.completion + len(output.outputs[0].token_ids),
        before.cached + (output.num_cached_tokens or 0),
    )


@contextlib.contextmanager
def _unlogged(name: str) -> Iterator[None]:
    """vLLM takes an engine that was asked to stop for one that died, and logs a traceback."""
    logger = logging.getLogger(name)
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Keeps what the engine's libraries print, some from C and in other processes, out of the results."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
