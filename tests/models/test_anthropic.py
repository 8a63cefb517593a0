"""The Anthropic adapter against a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from constitutional.core.messages import ChatReply, ChatRequest, Sampling
from constitutional.core.records import Message
from constitutional.errors import ModelUnavailableError, RateLimitedError, RequestRefusedError, TransientError
from constitutional.models.anthropic import SHORTEST_CACHED, AnthropicModel, AnthropicOptions
from constitutional.models.base import NoLogprobs
from constitutional.models.batches.anthropic import AnthropicBatches
from constitutional.roles import ModelSetup
from tests.support.asking import ask_once
from tests.support.processes import environment, generate, write_prompts
from tests.support.server import Server, serve

ASK = ChatRequest((Message("system", "Be brief."), Message("user", "What is a kettle?")), Sampling(0.5, None, 50))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")


def model(url: str, **options: Any) -> AnthropicModel:
    return AnthropicModel(ModelSetup("anthropic", "test-model", AnthropicOptions(**options), base_url=url, timeout=1.0))


def chat(server: Server, request: ChatRequest = ASK) -> ChatReply:
    return ask_once(model(server.anthropic_url), lambda asked: asked.chat(request))


def test_a_chat_and_its_usage() -> None:
    with serve() as server:
        reply = chat(server)
    assert reply.text
    assert reply.finish == "stop"
    assert reply.usage.prompt >= reply.usage.cached > 0


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"share_429": 1.0}, RateLimitedError),
        ({"share_500": 1.0}, TransientError),
        ({"share_reset": 1.0}, TransientError),
        ({"share_hang": 1.0}, TransientError),
        ({"share_wrong_shape": 1.0}, TransientError),
        ({"poison": ["kettle"]}, RequestRefusedError),
        ({"refuse_auth": True}, ModelUnavailableError),
    ],
)
def test_every_failure_has_its_own_error(behaviour: dict[str, Any], error: type[Exception]) -> None:
    with serve(**behaviour) as server, pytest.raises(error):
        chat(server)


def test_the_system_message_has_its_own_field_and_the_shared_part_is_marked() -> None:
    shared = "x" * SHORTEST_CACHED
    request = ChatRequest((Message("system", "Be brief."), Message("user", shared + "own")), shared=len(shared))
    body = model("http://nowhere")._body(request)
    assert body["system"] == "Be brief."
    assert [block["text"] for block in body["messages"][0]["content"]] == [shared, "own"]
    assert "cache_control" in body["messages"][0]["content"][0]
    plain = model("http://nowhere", prompt_caching=False)._body(request)
    assert plain["messages"] == [{"role": "user", "content": shared + "own"}]


@pytest.mark.parametrize("known", [True, False])
def test_a_reply_follows_its_schema_where_the_model_can_be_held_to_one(known: bool) -> None:
    winner = {"type": "string", "enum": ["A", "B"]}
    schema = {"type": "object", "properties": {"winner": winner}, "required": ["winner"]}
    with serve(no_schema=not known) as server:
        text = chat(server, replace(ASK, schema=schema)).text
        assert server.stats()["requests"] == (1 if known else 2)
    assert (text in ('{"winner": "A"}', '{"winner": "B"}')) == known


def test_there_are_no_logprobs() -> None:
    with pytest.raises(NoLogprobs):
        asyncio.run(model("http://nowhere").choose(ASK, ("A", "B")))


def test_no_key_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(ModelUnavailableError, match="set ANTHROPIC_API_KEY"):
        asyncio.run(model("http://nowhere").chat(ASK))


def test_a_whole_run_counts_samples_and_the_dataset_says_so(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 6)
    monkeypatch.setattr("tests.support.processes.environment", lambda: environment() | {"ANTHROPIC_API_KEY": "test"})
    with serve() as server:
        result = generate(
            *("--model", "anthropic:test-model", "--base-url", server.anthropic_url, "--prompts", str(prompts)),
            *("--responses", "2", "--out", str(tmp_path / "run")),
        )
        assert server.stats()["requests"] == result["calls_made"]
    assert result["failures"] == 0
    assert "sampled:5" in (tmp_path / "run" / "dataset" / "README.md").read_text()


def test_a_lost_batch_is_the_one_made_closest_to_when_it_was_sent() -> None:
    """Others of the same run may be as large, and of the same minute."""
    at = datetime(2026, 11, 28, 12, tzinfo=UTC)

    def batch(seconds: int, requests: int) -> SimpleNamespace:
        counts = SimpleNamespace(processing=requests, succeeded=0, errored=0, canceled=0, expired=0)
        return SimpleNamespace(id=f"b{seconds}", request_counts=counts, created_at=at + timedelta(seconds=seconds))

    async def listed(limit: int) -> AsyncIterator[SimpleNamespace]:
        for one in (batch(300, 7), batch(3, 7), batch(1, 8), batch(-20, 7), batch(-90, 7)):
            yield one

    async def client() -> SimpleNamespace:
        return SimpleNamespace(messages=SimpleNamespace(batches=SimpleNamespace(list=listed)))

    asked = SimpleNamespace(client=client, faults=contextlib.nullcontext)
    batches = AnthropicBatches(asked)  # type: ignore[arg-type]
    assert asyncio.run(batches.find("token", at.timestamp(), 7)) == "b3"
    assert asyncio.run(batches.find("token", at.timestamp(), 9)) is None
