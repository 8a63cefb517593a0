"""What is asked of vLLM only where there is a GPU, held against the source of the vLLM that is installed."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from weakref import WeakValueDictionary

import pytest

from constitutional.models.local.checkpoint import LocalModel
from constitutional.models.vllm import _NO_EFFECT_ON_REPLIES
from constitutional.models.vllm_engine import RANKS, SharedEngine


@pytest.fixture(scope="module")
def source() -> Path:
    found = importlib.util.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        pytest.skip("vllm is not installed")
    return Path(next(iter(found.submodule_search_locations)))


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def classes(path: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in read(path).body if isinstance(node, ast.ClassDef)}


def attributes(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield item.target.id


def test_engine_options_that_are_named_here_exist(source: Path) -> None:
    """One that vLLM renames would become part of the ledger's keys without a word."""
    found = classes(source / "engine" / "arg_utils.py")
    known = {*attributes(found["EngineArgs"]), *attributes(found["AsyncEngineArgs"])}
    assert known >= _NO_EFFECT_ON_REPLIES
    assert known >= {"max_model_len", "enable_sleep_mode", "device_ids", "tensor_parallel_size", "revision"}


def test_an_engine_sleeps_and_wakes_by_the_names_that_turns_use(source: Path) -> None:
    engine = classes(source / "v1" / "engine" / "async_llm.py")["AsyncLLM"]
    methods = {item.name: item for item in engine.body if isinstance(item, ast.AsyncFunctionDef)}
    assert "level" in [argument.arg for argument in methods["sleep"].args.args]
    for name in ("wake_up", "is_sleeping"):
        arguments = methods[name].args
        assert len(arguments.args) - 1 <= len(arguments.defaults), f"{name} is called without arguments"


def test_an_adapter_is_named_numbered_and_placed_in_this_order(source: Path) -> None:
    request = classes(source / "lora" / "request.py")["LoRARequest"]
    assert list(attributes(request))[:3] == ["lora_name", "lora_int_id", "lora_path"]


def test_the_ranks_of_adapters_are_vllm_s(source: Path) -> None:
    for node in read(source / "config" / "lora.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MaxLoRARanks":
            known = ast.literal_eval(ast.unparse(node.value).removeprefix("Literal"))
            assert set(RANKS) <= set(known)
            return
    raise AssertionError("vLLM no longer lists them in config/lora.py")


def test_an_engine_that_does_not_start_beside_another_says_what_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes nine tenths of the memory unless told not to. Starting one is played: it needs a GPU."""
    monkeypatch.setattr(SharedEngine, "start", lambda self: object())
    monkeypatch.setattr("constitutional.models.vllm_engine._engines", WeakValueDictionary())

    def engine(name: str, **settings: object) -> SharedEngine:
        return SharedEngine.of(LocalModel(name, str(tmp_path / name), None, None, None, {}), settings)

    first, second, sleeper = engine("a"), engine("b"), engine("c", enable_sleep_mode=True)
    assert second._beside_others() == ""
    asyncio.run(first.engine.get())
    said = second._beside_others()
    assert "2 models of this run each have an engine" in said
    for name in ("enable_sleep_mode: true", "device_ids", "gpu_memory_utilization"):
        assert name in said
    assert sleeper._beside_others() == ""
    for each in (first, second, sleeper):
        each.thread.shutdown(wait=False)


def test_an_engine_that_was_stopped_is_started_again_by_who_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge that is the policy's own model, when the policy has answered and another model was there in between."""
    started: list[Stopped] = []

    class Stopped:
        def shutdown(self) -> None:
            pass

    def start(self: SharedEngine) -> Stopped:
        started.append(Stopped())
        return started[-1]

    monkeypatch.setattr(SharedEngine, "start", start)

    async def run() -> None:
        engine = SharedEngine("x", str(tmp_path), None, {})

        async def work(llm: Stopped) -> Stopped:
            return cast("Stopped", await engine.in_thread(lambda: llm))

        for number in range(2):
            engine.joined()
            engine.joined()
            assert await engine.use(work) is started[number]
            await engine.left()
            assert await engine.use(work) is started[number], "as long as one of them is there"
            await engine.left()

    asyncio.run(run())
    assert len(started) == 2
