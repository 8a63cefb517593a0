"""The vLLM engines of this process: one per model and settings, whoever asks, with the LoRA adapters that are put on it.

A policy and what was trained from it as an adapter share one engine, so that both fit where one does, and are asked side by
side."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import logging
import os
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from constitutional.core.digest import canonical
from constitutional.errors import (
    ConfigError,
    MissingExtraError,
    ModelUnavailableError,
    RequestRefusedError,
    TransientError,
    near_matches,
)
from constitutional.models.local.away import loading
from constitutional.models.local.checkpoint import LocalModel
from constitutional.models.local.loading import in_one_line
from constitutional.models.local.places import Places
from constitutional.models.local.revival import Engine, EngineDied
from constitutional.models.local.there import ADAPTER_CONFIG, check_there, told_by_hub
from constitutional.models.local.turns import Turns
from constitutional.models.started import Started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

R = TypeVar("R")
ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # standard output is for results
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork of a process with threads can hang
}
ON_CPU = {"enable_chunked_prefill": False}
"""Of a request with a seed whose prompt it reads in parts, vLLM turns the random generator back, which one on a CPU cannot
do: the engine dies ("CPU Generator does not use offset", 0.32)."""
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for the largest rank of its adapters."""

_starting = threading.Lock()
"""Engines start one after another: each measures the free memory, and each borrows standard output."""
_turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = weakref.WeakKeyDictionary()
_engines: weakref.WeakValueDictionary[str, SharedEngine] = weakref.WeakValueDictionary()


class SharedEngine:
    """Started by the first request of any model that holds it, stopped when the last that asked it is closed."""

    def __init__(self, id: str, path: str, revision: str | None, settings: Mapping[str, Any]) -> None:
        self._id = id
        self._path = path
        self._revision = revision
        self._settings = settings
        self._adapters: dict[str, int] = {}
        self._users = 0
        self._numbers = itertools.count()
        self._places = Places()
        self._capacity: tuple[int | None, int] = (None, 1)
        """Tokens in its cache, and requests in one step; known once it is started."""
        self.thread = _a_thread()
        """Where templates are rendered and texts become tokens: off the event loop."""
        self.engine: Engine[Any] = Engine(lambda: Started(self.start, self.thread), self._shut_down)

    @classmethod
    def of(cls, model: LocalModel, settings: Mapping[str, Any]) -> SharedEngine:
        """The one that waits to be started for this model, or a new one."""
        key = canonical([model.path, model.revision, settings])
        found = _engines.get(key)
        if found is None or found.engine.started:  # it belongs to an event loop, and knows its adapters
            found = _engines[key] = cls(model.id, model.path, model.revision, settings)
        if model.adapter is not None:
            found._adapters.setdefault(model.adapter, len(found._adapters) + 1)
        return found

    async def use(self, work: Callable[[Any], Awaitable[R]]) -> R:
        """What ``work`` gives on the engine. One with vLLM's sleep mode shares its GPU, and has it awake in turns."""
        if not self._settings.get("enable_sleep_mode"):
            return await self.engine.use(work)
        turns = _turns.setdefault(asyncio.get_running_loop(), Turns())
        async with turns.of(self):
            return await self.engine.use(work)

    async def sleep(self) -> None:
        await (await self.engine.get()).sleep(level=1)

    async def wake(self) -> None:
        started = self.engine.started
        llm = await self.engine.get()
        if started and await llm.is_sleeping():
            await llm.wake_up()

    def joined(self) -> None:
        self._users += 1

    async def left(self) -> None:
        """Call it when every request is answered or cancelled. Who joins later starts the engine again."""
        self._users -= 1
        if self._users > 0:
            return
        if self.engine.started:
            with contextlib.suppress(Exception):  # an engine that did not start has said so to its callers
                await self._shut_down(await self.engine.get())
                await asyncio.sleep(0)
        if (turns := _turns.get(asyncio.get_running_loop())) is not None:
            turns.gone(self)
        self.engine.stopped()
        self.thread.shutdown(wait=False)
        self.thread = _a_thread()

    async def in_thread(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)

    async def generate(self, llm: Any, prompt: list[int], params: Any, adapter: str | None) -> Any:
        """The finished request. Cancelling this coroutine aborts it in the engine."""
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        try:
            number = str(next(self._numbers))
            outputs = llm.generate(tokens_input(prompt), params, number, lora_request=self._lora(adapter))
            output = [output async for output in outputs][-1]
        except EngineDeadError as error:
            raise EngineDied(
                f"{self._id}: the vLLM engine has stopped; the reason is in its log above. "
                "Out of memory? Try a smaller max_model_len, max_num_seqs or gpu_memory_utilization"
            ) from error
        except EngineGenerateError as error:
            raise TransientError(f"{self._id}: vLLM failed on this request: {error.__cause__}") from error
        except refusals() as error:
            raise RequestRefusedError(f"{self._id}: {error}") from error
        self._places.note(len(prompt) - (output.num_cached_tokens or 0) + len(output.outputs[0].token_ids))
        return output

    def places(self) -> int | None:
        """How many calls should be under way; None before the first answer. Models that are asked side by side each get as
        many: what is too much waits in the engine."""
        return self._places.of(*self._capacity)

    def _lora(self, adapter: str | None) -> Any:
        if adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        return LoRARequest(Path(adapter).name, self._adapters[adapter], adapter)

    async def _shut_down(self, llm: Any) -> None:
        with _unlogged("vllm.v1.engine.async_llm"):
            await asyncio.to_thread(llm.shutdown)
        llm.shutdown = _nothing  # its ``__del__`` calls it again, where the interpreter has gone by then, and says so

    @loading()
    def start(self) -> Any:
        """A new ``AsyncLLM`` with these settings. Blocking, for half a minute or more. Its steps are as large as those of
        vLLM's own ``LLM`` (on an H100 1,024 requests and 16,384 tokens): with no word of its use it takes 128 and 2,048 on
        every GPU, for the sake of latency."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        with _starting, _stdout_to_stderr():
            try:
                from vllm.engine.arg_utils import AsyncEngineArgs
                from vllm.platforms import current_platform
                from vllm.usage.usage_lib import UsageContext
                from vllm.v1.engine.async_llm import AsyncLLM
            except ModuleNotFoundError as error:
                if error.name != "vllm":
                    raise ModelUnavailableError(f"{self._id}: vLLM cannot be imported: {error}") from error
                raise MissingExtraError.naming("vllm", "vllm") from error
            chosen = self._settings
            known = {field.name for field in dataclasses.fields(AsyncEngineArgs)} - {"model", "revision"}
            for name in sorted(chosen.keys() - known):
                raise ConfigError(f"{self._id}: vLLM has no engine option {name!r}{near_matches(name, known)}")
            usual: dict[str, Any] = {"disable_log_stats": True}
            if current_platform.is_cpu():
                usual |= ON_CPU
                if "kv_cache_memory_bytes" not in chosen:
                    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
            settings = {**usual, **self._for_adapters(spare=int(current_platform.is_cpu())), **chosen}
            self._check_there()
            try:
                arguments = AsyncEngineArgs(self._path, revision=self._revision, **settings)
                llm = AsyncLLM.from_engine_args(arguments, usage_context=UsageContext.LLM_CLASS)
            except Exception as error:  # whatever it is, no request can be answered
                why = told_by_hub(error, self._path, self._revision)
                why = why or f"vLLM did not start: {in_one_line(error)}{self._beside_others()}"
                raise ModelUnavailableError(f"{self._id}: {why}") from error
            self._capacity = _capacity_of(llm.vllm_config)
            return llm

    def _check_there(self) -> None:
        """Where it is a folder or a name on the Hub; vLLM knows other places too."""
        if ":" in self._path or os.environ.get("VLLM_USE_MODELSCOPE"):
            return
        own = self._settings.keys().isdisjoint(("tokenizer", "skip_tokenizer_init"))
        weights = "load_format" not in self._settings
        check_there(self._id, self._path, self._revision, weights=weights, tokenizer=own)

    def _beside_others(self) -> str:
        """What to do where engines of this run are in each other's way: each takes nearly all memory unless told not to."""
        others = sum(each.engine.started for each in _engines.values() if each is not self)
        if not others or self._settings.get("enable_sleep_mode"):
            return ""
        return (
            f" ({others + 1} models of this run each have an engine: give all of them `enable_sleep_mode: true`, so that "
            "they have the GPU in turns, or each a GPU of its own with `device_ids`, or shares of `gpu_memory_utilization` "
            "that add up to less than 1)"
        )

    def _for_adapters(self, spare: int) -> dict[str, Any]:
        """With a ``spare`` place that stays empty where vLLM runs on a CPU: a request without an adapter that shares a step
        with one that has one is computed there with whatever is in the last place (0.32 takes −1 for an index)."""
        if not self._adapters:
            return {}
        rank = max(
            int(json.loads((Path(path) / ADAPTER_CONFIG).read_text("utf-8")).get("r", 8)) for path in self._adapters
        )
        largest = next((known for known in RANKS if known >= rank), rank)
        return {"enable_lora": True, "max_loras": len(self._adapters) + spare, "max_lora_rank": largest}


def refusals() -> tuple[type[Exception], ...]:
    from vllm.exceptions import VLLMValidationError

    return (VLLMValidationError, ValueError)


def _nothing() -> None:
    pass


def _a_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="vllm-adapter")


def _capacity_of(config: Any) -> tuple[int | None, int]:
    """Tokens in the cache, and requests in one step, over all copies of the model."""
    cache, copies = config.cache_config, config.parallel_config.data_parallel_size
    tokens = getattr(cache, "kv_cache_size_tokens", None)  # early versions tell of blocks alone
    tokens = tokens or (cache.num_gpu_blocks or 0) * (cache.block_size or 0)
    return tokens or None, copies * config.scheduler_config.max_num_seqs


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
