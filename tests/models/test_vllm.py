from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from constitutional.errors import ConfigError, ModelUnavailableError, RequestRefusedError
from constitutional.models.local.places import QUEUE
from constitutional.models.transformers import TransformersModel, TransformersOptions
from constitutional.models.vllm import VLLMModel, VLLMOptions
from constitutional.roles import ModelSetup
from tests.models.conftest import ENGINE, Engine, Reference, ask, told_apart

if TYPE_CHECKING:
    from pathlib import Path

    from constitutional.core.messages import ChatReply, ChatRequest, Choice

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

LETTERS = "Which answer is better, (A) or (B)?"
NUMBERS = "How kind is this reply, from 1 to 10?"


def chats(engine: Engine, *requests: ChatRequest) -> list[ChatReply]:
    async def run() -> list[ChatReply]:
        return await asyncio.gather(*(engine.model.chat(request) for request in requests))

    return engine.run(run())


def choices(engine: Engine, *asked: tuple[str, tuple[str, ...]]) -> list[Choice]:
    async def run() -> list[Choice]:
        return await asyncio.gather(*(engine.model.choose(ask(text), options) for text, options in asked))

    return engine.run(run())


def test_nothing_of_the_engine_reaches_standard_output(engine: Engine) -> None:
    assert engine.printed == ""


def test_the_engine_runs_what_constitutional_train_wrote(engine: Engine, tiny_folder: Path) -> None:
    pytest.importorskip("trl")
    assert json.loads((tiny_folder / "training.json").read_text())["stages"][0]["steps"] == 1
    assert (tiny_folder / "README.md").is_file()
    [reply] = chats(engine, ask("Hi", temperature=0.0, max_tokens=4))
    assert reply.usage.completion == 4


def test_greedy_text_is_stable_and_the_same_as_transformers(engine: Engine, tiny_folder: Path) -> None:
    requests = [ask(text, temperature=0.0, max_tokens=12) for text in (LETTERS, NUMBERS, "Hi")]

    async def other() -> list[ChatReply]:
        model = TransformersModel.create(ModelSetup("transformers", str(tiny_folder), TransformersOptions()))
        try:
            return await asyncio.gather(*(model.chat(request) for request in requests))
        finally:
            await model.aclose()

    first = [(r.text, r.finish, r.usage.prompt, r.usage.completion) for r in chats(engine, *requests)]
    again = [(r.text, r.finish, r.usage.prompt, r.usage.completion) for r in chats(engine, *requests)]
    theirs = [(r.text, r.finish, r.usage.prompt, r.usage.completion) for r in asyncio.run(other())]
    assert first == again == theirs


def test_seeds_decide_what_is_drawn_and_company_does_not(engine: Engine) -> None:
    seeded = [ask("Hi", seed=seed, max_tokens=10) for seed in range(8)]
    crowd = [ask(f"{number} {LETTERS}", seed=number, max_tokens=16) for number in range(200)]
    alone = [chats(engine, request)[0].text for request in seeded]
    replies = chats(engine, *crowd, *seeded)
    assert [reply.text for reply in replies[200:]] == alone
    assert len(set(alone)) == 8
    assert all(0 < reply.usage.completion <= 16 for reply in replies)


def test_seeded_prompts_that_no_step_has_room_for_together_do_not_stop_the_engine(engine: Engine) -> None:
    """On a CPU vLLM's engine dies of a seeded request whose prompt it reads in two parts."""
    long = [ask(f"{number} " + "the lazy dog jumps " * 60, seed=number, max_tokens=4) for number in range(24)]
    together = [reply.text for reply in chats(engine, *long)]
    assert engine.model._shared.engine.deaths == 0
    assert together[7:9] == [chats(engine, request)[0].text for request in long[7:9]]


def test_an_answer_is_cut_at_a_stop_string(engine: Engine) -> None:
    [whole] = chats(engine, ask(LETTERS, temperature=0.0, max_tokens=20))
    stop = whole.text[6:9]
    [cut] = chats(engine, ask(LETTERS, temperature=0.0, max_tokens=20, stop=(stop,)))
    assert (whole.finish, cut.finish) == ("length", "stop")
    assert cut.text == whole.text[: whole.text.index(stop)]


def test_a_reply_follows_its_schema(engine: Engine) -> None:
    """Also from a model that never learned what JSON is."""
    grade = {"type": "integer", "enum": list(range(1, 11))}
    winner = {"type": "string", "enum": ["A", "B", "tie"]}
    properties = {"A": grade, "B": grade, "winner": winner}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    asked = [ask(f"{number} {LETTERS}", seed=number, max_tokens=200) for number in range(8)]
    replies = chats(engine, *(replace(request, schema=schema) for request in asked))
    found = [json.loads(reply.text) for reply in replies if reply.finish == "stop"]
    assert len(found) > 4
    assert all(set(value) == set(properties) and value["A"] in range(1, 11) for value in found)
    assert chats(engine, *asked)[0].text != replies[0].text


def test_choices_agree_with_the_logits(engine: Engine, reference: Reference) -> None:
    asked = [(LETTERS, ("A", "B")), (NUMBERS * 3, ("A", "B")), (LETTERS * 2, (" (A)", " (B)"))]
    for (text, options), choice in zip(asked, choices(engine, *asked), strict=True):
        prompt = reference.prompt(text)
        a, b = (reference.spelled(prompt, option.strip(" )")) for option in options)
        assert choice.probabilities == pytest.approx((a / (a + b), b / (a + b)), abs=1e-3)
        assert choice.mass == pytest.approx(a + b, rel=1e-3)
        assert sum(choice.probabilities) == pytest.approx(1)


def test_options_that_begin_alike_are_told_apart(engine: Engine, reference: Reference) -> None:
    [choice] = choices(engine, (NUMBERS, ("1", "2", "10")))
    told_apart(choice, reference, NUMBERS)


def test_more_options_than_one_request_can_score(engine: Engine, reference: Reference) -> None:
    tokens = [reference.tokenizer.decode([token]) for token in range(3, 390)]
    options = tuple({word.strip(): word for word in tokens if word.strip() and "�" not in word})[:150]
    [choice] = choices(engine, (LETTERS, options))
    assert len(choice.probabilities) == 150
    assert sum(choice.probabilities) == pytest.approx(1)


def test_the_engine_is_built_for_throughput_and_says_how_many_calls_it_can_use(engine: Engine) -> None:
    from vllm.engine.arg_utils import EngineArgs
    from vllm.usage.usage_lib import UsageContext

    shared = engine.model.engine
    llm = engine.run(shared.engine.get())
    tokens, _ = EngineArgs.get_batch_defaults(1)
    assert llm.vllm_config.scheduler_config.max_num_batched_tokens == tokens[UsageContext.LLM_CLASS]
    cache, at_once = shared._capacity
    assert cache == llm.vllm_config.cache_config.kv_cache_size_tokens
    assert cache is not None
    assert cache > 10_000
    assert at_once == ENGINE["max_num_seqs"]
    chats(engine, ask("Hello?", max_tokens=1))
    places = engine.model.places()
    assert places is not None
    assert 1 <= places <= QUEUE * at_once


def test_a_long_shared_beginning_comes_from_the_cache(engine: Engine) -> None:
    shared = "The quick brown fox jumps over the lazy dog. " * 20
    before, after = (chats(engine, ask(shared + end, max_tokens=1))[0].usage for end in ("kind?", "honest?"))
    assert before.cached == 0
    assert after.cached >= 128
    assert after.prompt > after.cached


def test_a_prompt_that_fills_the_context_costs_only_itself(engine: Engine) -> None:
    with pytest.raises(RequestRefusedError, match=r"no room for an answer: .* [0-9]+ tokens of 1024") as error:
        chats(engine, ask(LETTERS * 200))
    assert error.value.reason == "context_too_long"
    with pytest.raises(RequestRefusedError, match="top_p"):
        chats(engine, ask("Hi", top_p=7.0))
    assert chats(engine, ask("Hi", max_tokens=1))[0].usage.completion == 1


def test_cancelling_aborts_the_request_in_the_engine(engine: Engine) -> None:
    async def run() -> int:
        task = asyncio.create_task(engine.model.chat(ask(LETTERS, temperature=0.0, max_tokens=900)))
        llm = await engine.model._shared.engine.get()
        while llm.get_num_unfinished_requests() == 0:  # noqa: ASYNC110 - the engine has no event for it
            await asyncio.sleep(0.001)
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        return int(llm.get_num_unfinished_requests())

    assert engine.run(run()) == 0
    assert chats(engine, ask("Hi", max_tokens=1))[0].usage.completion == 1


def test_identity_holds_what_changes_replies(tiny_folder: Path) -> None:
    def identity(**options: object) -> object:
        setup = ModelSetup("vllm", str(tiny_folder), VLLMOptions.model_validate(options))
        return VLLMModel.create(setup).identity

    assert identity(engine={"tensor_parallel_size": 2, "gpu_memory_utilization": 0.5}) == identity()
    assert identity(engine={"quantization": "fp8"}) != identity()
    assert str(tiny_folder) not in str(identity(engine={"dtype": "float32"}))


def test_an_engine_that_cannot_start_says_why(engine: Engine, tiny_folder: Path, tmp_path: Path) -> None:
    def start(folder: Path, **options: object) -> ChatReply:
        async def run() -> ChatReply:
            model = VLLMModel.create(ModelSetup("vllm", str(folder), VLLMOptions(engine=options)))
            try:
                return await model.chat(ask("Hi"))
            finally:
                await model.aclose()

        return asyncio.run(run())

    with pytest.raises(ModelUnavailableError, match="no such folder"):
        start(tmp_path / "missing")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailableError, match="no weights in it"):
        start(tmp_path)
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelUnavailableError, match="did not start"):
        start(tmp_path)
    with pytest.raises(ConfigError, match="no engine option 'max_model_length'; did you mean 'max_model_len'"):
        start(tiny_folder, max_model_length=100)
