from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling
from constitutional.core.records import Message
from constitutional.errors import ConfigError, ModelUnavailableError, RequestRefusedError
from constitutional.models.local.checkpoint import fingerprint
from constitutional.models.started import Started
from constitutional.models.transformers import TransformersModel, TransformersOptions
from constitutional.roles import ModelSetup
from tests.models.conftest import Reference, ask, told_apart
from tests.support.tiny_model import make_tiny_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LETTERS = "Which answer is better, (A) or (B)?"
NUMBERS = "How kind is this reply, from 1 to 10?"


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[TransformersModel]:
    model = TransformersModel.create(ModelSetup("transformers", str(folder), TransformersOptions(**options)))
    try:
        yield model
    finally:
        await model.aclose()


def chats(folder: Path, *requests: ChatRequest, **options: Any) -> list[ChatReply]:
    async def run() -> list[ChatReply]:
        async with opened(folder, **options) as model:
            return await asyncio.gather(*(model.chat(request) for request in requests))

    return asyncio.run(run())


def choices(folder: Path, *asked: tuple[str, tuple[str, ...]]) -> list[Choice]:
    async def run() -> list[Choice]:
        async with opened(folder) as model:
            return await asyncio.gather(*(model.choose(ask(text), options) for text, options in asked))

    return asyncio.run(run())


def test_greedy_text_is_the_models_own(tiny_folder: Path, reference: Reference) -> None:
    import torch

    texts = [LETTERS, "Hi", NUMBERS * 4]
    replies = chats(tiny_folder, *(ask(text, temperature=0.0, max_tokens=12) for text in texts))
    for text, reply in zip(texts, replies, strict=True):
        prompt = reference.prompt(text)
        [whole] = reference.model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=12)
        answer = whole.tolist()[len(prompt) :]
        assert reply.text == reference.tokenizer.decode(answer, skip_special_tokens=True).rstrip("�")
        assert (reply.usage.prompt, reply.usage.completion) == (len(prompt), len(answer))


def test_seeds_decide_what_is_drawn_and_company_does_not(tiny_folder: Path) -> None:
    seeded = [ask("Hi", seed=seed, max_tokens=10) for seed in range(8)]
    company = [ask(LETTERS * size, seed=1, top_p=0.5, max_tokens=size) for size in range(1, 9)]
    alone = chats(tiny_folder, *seeded, max_batch=1)
    together = chats(tiny_folder, *company, *seeded)[8:]
    assert [reply.text for reply in alone] == [reply.text for reply in together]
    assert len({reply.text for reply in alone}) == 8


def test_draws_follow_the_distribution(tiny_folder: Path, reference: Reference) -> None:
    prompt, words = reference.prompt("Hi"), len(reference.tokenizer)
    weights: dict[str, float] = {}
    for token in range(words):
        shown = reference.tokenizer.decode([token], skip_special_tokens=True)
        weights[shown] = weights.get(shown, 0.0) + reference.probability(prompt, [token]) ** 2
    drawn = chats(tiny_folder, *(ask("Hi", seed=seed, temperature=0.5, max_tokens=1) for seed in range(600)))
    counts = Counter(reply.text for reply in drawn)
    for word in sorted(weights, key=lambda word: -weights[word])[:5]:
        p = weights[word] / sum(weights.values())
        assert counts[word] / 600 == pytest.approx(p, abs=4 * (p * (1 - p) / 600) ** 0.5)
    narrow = chats(tiny_folder, *(ask("Hi", seed=seed, max_tokens=1, top_p=1e-6) for seed in range(20)))
    [likeliest] = chats(tiny_folder, ask("Hi", temperature=0.0, max_tokens=1))
    assert {reply.text for reply in narrow} == {likeliest.text}


def test_an_answer_is_cut_at_a_stop_string_or_at_its_limit(tiny_folder: Path) -> None:
    [whole] = chats(tiny_folder, ask(LETTERS, temperature=0.0, max_tokens=20))
    assert whole.finish == "length"
    stop = whole.text[6:9]
    requests = [ask(LETTERS, temperature=0.0, max_tokens=20, stop=("never said", stop)), ask("Hi", seed=1)]
    cut = chats(tiny_folder, *requests)[0]
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish == "stop"


def test_an_assistant_turn_at_the_end_is_continued(tiny_folder: Path) -> None:
    [whole] = chats(tiny_folder, ask("Hi", temperature=0.0, max_tokens=8))
    begun = (Message("user", "Hi"), Message("assistant", "Paris is"))
    [reply] = chats(tiny_folder, ChatRequest(begun, Sampling(temperature=0.0, max_tokens=8)))
    assert reply.usage.prompt > whole.usage.prompt
    assert reply.text != whole.text


def test_choices_agree_with_the_logits(tiny_folder: Path, reference: Reference) -> None:
    asked = [(LETTERS, ("A", "B")), (NUMBERS * 3, ("A", "B"))]
    for (text, _), choice in zip(asked, choices(tiny_folder, *asked), strict=True):
        prompt = reference.prompt(text)
        a, b = reference.spelled(prompt, "A"), reference.spelled(prompt, "B")
        assert choice.probabilities == pytest.approx((a / (a + b), b / (a + b)), abs=1e-3)
        assert choice.mass == pytest.approx(a + b, rel=1e-3)
        assert sum(choice.probabilities) == pytest.approx(1)


def test_options_that_begin_alike_are_told_apart(tiny_folder: Path, reference: Reference) -> None:
    [choice] = choices(tiny_folder, (NUMBERS, ("1", "2", "10")))
    told_apart(choice, reference, NUMBERS)


def test_a_prompt_that_fills_the_context_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(RequestRefusedError, match=r"no room for an answer: .* [0-9]+ tokens of 1024") as error:
        chats(tiny_folder, ask(LETTERS * 200))
    assert error.value.reason == "context_too_long"


def test_without_a_limit_an_answer_takes_the_room_that_is_left(tiny_folder: Path) -> None:
    [reply] = chats(tiny_folder, ask(LETTERS * 60, temperature=0.0, stop=("never said",)))
    assert reply.usage.prompt + reply.usage.completion <= 1024


def test_cancelling_leaves_the_model_usable(tiny_folder: Path) -> None:
    async def run() -> ChatReply:
        async with opened(tiny_folder, max_batch=2) as model:
            await model.chat(ask("Hi", max_tokens=1))
            tasks = [asyncio.create_task(model.chat(ask(LETTERS, seed=1, max_tokens=700))) for _ in range(4)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            assert all(isinstance(r, BaseException) for r in await asyncio.gather(*tasks, return_exceptions=True))
            return await asyncio.wait_for(model.chat(ask("Hi", max_tokens=2)), 20)

    assert asyncio.run(run()).usage.completion > 0


def test_identity_names_the_content_and_not_the_place(tiny_folder: Path, tmp_path: Path) -> None:
    def identity(folder: Path, **options: Any) -> Any:
        options_ = TransformersOptions(**options)
        return TransformersModel.create(ModelSetup("transformers", str(folder), options_)).identity

    moved = shutil.copytree(tiny_folder, tmp_path / "elsewhere" / "tiny")
    assert identity(moved) == identity(tiny_folder)
    assert identity(moved) == {"model": "transformers:tiny", "revision": fingerprint(tiny_folder)}
    make_tiny_model(moved, seed=1)
    assert identity(moved) != identity(tiny_folder)
    assert identity(tiny_folder, chat_template_kwargs={"enable_thinking": False}) != identity(tiny_folder)
    assert identity(tiny_folder, max_batch=4) == identity(tiny_folder)


def test_a_change_inside_a_big_file_is_seen(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    content = bytearray(17 << 20)
    weights.write_bytes(content)
    before = fingerprint(tmp_path)
    start = len(content) // 2
    content[start : start + (1 << 20)] = b"x" * (1 << 20)
    weights.write_bytes(content)
    assert fingerprint(tmp_path) != before


def test_what_is_missing_is_said(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="no such folder"):
        chats(tmp_path / "missing", ask("Hi"))
    with pytest.raises(ModelUnavailableError, match=r"no config\.json"):
        chats(tmp_path, ask("Hi"))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelUnavailableError, match=r"adapter_config\.json does not say which model it belongs to"):
        chats(tmp_path, ask("Hi"))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "adapter_config.json").unlink()
    with pytest.raises(ModelUnavailableError, match="no weights in it"):
        chats(tmp_path, ask("Hi"))
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelUnavailableError, match="transformers cannot load it"):
        chats(tmp_path, ask("Hi"))
    with pytest.raises(ConfigError, match="chat_template"):
        chats(tiny_folder, ask("Hi"), chat_template=str(tmp_path / "missing.jinja"))
    with pytest.raises(ModelUnavailableError, match="no chat template"):
        chats(make_tiny_model(tmp_path / "base", template=None), ask("Hi"))


def test_a_template_may_be_given_and_may_refuse(tiny_folder: Path, tmp_path: Path) -> None:
    template = tmp_path / "chat.jinja"
    template.write_text("{{ raise_exception('no system role') if messages[0].role == 'system' else 'Q' }}")
    assert chats(tiny_folder, ask("Hi", max_tokens=1), chat_template=str(template))[0].usage.prompt == 1
    refused = ChatRequest((Message("system", "Be brief."), Message("user", "Hi")))
    with pytest.raises(RequestRefusedError, match="no system role"):
        chats(tiny_folder, refused, chat_template=str(template))


def test_reasoning_is_split_off_where_the_template_opened_it(tiny_folder: Path) -> None:
    async def run() -> tuple[str, str | None]:
        async with opened(tiny_folder) as model:
            renderer = (await model._loaded.get()).renderer
            return renderer.answer(renderer.encode("assistant\n<think>\n"), "hm\n</think>\n\nyes")

    assert asyncio.run(run()) == ("yes", "hm")


def test_once_starts_once_and_survives_a_cancelled_caller() -> None:
    started: list[int] = []

    def start() -> int:
        started.append(1)
        return 7

    async def run() -> list[int]:
        with ThreadPoolExecutor(1) as thread:
            once = Started(start, thread)
            first = asyncio.create_task(once.get())
            await asyncio.sleep(0)
            first.cancel()
            return await asyncio.gather(*(once.get() for _ in range(5)))

    assert asyncio.run(run()) == [7] * 5
    assert started == [1]
