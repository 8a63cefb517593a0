"""The OpenAI adapter against a real server, and how a first token is read."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from typing import Any

import pytest

from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling
from constitutional.core.records import Message
from constitutional.errors import (
    ModelError,
    ModelUnavailableError,
    RateLimitedError,
    RequestRefusedError,
    TransientError,
)
from constitutional.models.base import NoLogprobs
from constitutional.models.openai import OpenAIModel, OpenAIOptions, option_weights, read_choice
from constitutional.roles import ModelSetup
from tests.support.asking import ask_once
from tests.support.proxy import proxy_to
from tests.support.server import Server, serve

ASK = ChatRequest((Message("system", "Be brief."), Message("user", "What is a kettle?")), Sampling(0.5, 0.9, 50, 7))
JUDGE = ChatRequest((Message("user", "Which is better? Reply with one letter: A or B."),))


@pytest.fixture(autouse=True, params=[False, True], ids=["plain", "sdk"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the SDK and without it: the same replies, and the same errors."""
    monkeypatch.setitem(WAY, "sdk", request.param)


WAY: dict[str, Any] = {}


def model(server: Server, **options: Any) -> OpenAIModel:
    options = {**WAY, **options}
    return OpenAIModel(ModelSetup("openai", "test-model", OpenAIOptions(**options), base_url=server.url, timeout=1.0))


def chat(server: Server, request: ChatRequest = ASK, **options: Any) -> ChatReply:
    return ask_once(model(server, **options), lambda asked: asked.chat(request))


def choose(server: Server, **options: Any) -> Choice:
    return ask_once(model(server, **options), lambda asked: asked.choose(JUDGE, ("A", "B")))


def test_a_chat_and_its_usage() -> None:
    with serve() as server:
        reply = chat(server)
    assert reply.text
    assert reply.finish == "stop"
    assert reply.usage.prompt > 0
    assert reply.usage.completion > 0


def test_a_choice_is_a_distribution_with_the_mass_that_it_was_read_from() -> None:
    with serve() as server:
        choice = choose(server)
    assert math.isclose(sum(choice.probabilities), 1)
    assert choice.method == "logprobs"
    assert choice.mass is not None
    assert 0.9 < choice.mass < 1


def test_a_server_without_logprobs_says_so() -> None:
    with serve(no_logprobs=True) as server, pytest.raises(NoLogprobs):
        choose(server)


@pytest.mark.parametrize(
    ("behaviour", "error", "reason", "said"),
    [
        ({"share_500": 1.0}, TransientError, "server_error", "HTTP 500"),
        ({"share_reset": 1.0}, TransientError, "connection", "connection failed"),
        ({"share_hang": 1.0}, TransientError, "timeout", "no answer in 1 s"),
        ({"share_truncated": 1.0}, TransientError, "malformed_reply", "not JSON"),
        ({"share_wrong_shape": 1.0}, TransientError, "malformed_reply", "not a chat completion"),
        ({"poison": ["kettle"]}, RequestRefusedError, "request_refused", "HTTP 400"),
        ({"context_error": ["kettle"]}, RequestRefusedError, "context_too_long", "longer than the model's context"),
        ({"refuse_auth": True}, ModelUnavailableError, "model_unavailable", "API key was not accepted"),
        ({"unknown_model": "test-model"}, ModelUnavailableError, "model_unavailable", "unknown model"),
    ],
)
def test_every_failure_has_its_own_error(
    behaviour: dict[str, Any], error: type[ModelError], reason: str, said: str
) -> None:
    with serve(**behaviour) as server, pytest.raises(error, match=said) as caught:
        chat(server)
    assert caught.value.reason == reason


def test_a_429_carries_how_long_to_wait() -> None:
    with serve(share_429=1.0, retry_after=7) as server, pytest.raises(RateLimitedError) as caught:
        chat(server)
    assert caught.value.retry_after == 7


def test_no_key_and_no_address_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    lonely = OpenAIModel(ModelSetup("openai", "gpt", None))
    with pytest.raises(ModelUnavailableError, match="set OPENAI_API_KEY"):
        asyncio.run(lonely.chat(ASK))


def test_the_address_is_no_part_of_the_identity() -> None:
    here = OpenAIModel(ModelSetup("openai", "m", None, base_url="http://here/v1"))
    there = OpenAIModel(ModelSetup("openai", "m", None, base_url="http://there/v1", api_key_env="KEY"))
    assert here.identity == there.identity
    assert here.identity != OpenAIModel(ModelSetup("openai", "m", OpenAIOptions(extra_body={"top_k": 3}))).identity


def test_spellings_of_an_option_are_added_up() -> None:
    top = {"A": math.log(0.5), " A": math.log(0.1), "(B": math.log(0.2), "b": math.log(0.1), "The": math.log(0.1)}
    weights, mass = option_weights(top, ("A", "B"))
    assert weights == {"A": pytest.approx(0.6), "B": pytest.approx(0.3)}
    assert mass == pytest.approx(0.9)


def test_yes_in_capitals_is_yes() -> None:
    weights, _ = option_weights({"Yes": math.log(0.7), "NO": math.log(0.2)}, ("yes", "no"))
    assert weights == {"yes": pytest.approx(0.7), "no": pytest.approx(0.2)}


def token(text: str, *top: tuple[str, float]) -> dict[str, Any]:
    spread = [{"token": name, "logprob": math.log(p)} for name, p in top]
    return {
        "token": text,
        "logprob": next(item["logprob"] for item in spread if item["token"] == text),
        "top_logprobs": spread,
    }


WRAPPED = ("(A)", "(B)")


@pytest.mark.parametrize(
    ("content", "weights", "mass"),
    [
        ([token(" (", (" (", 0.9), ("I", 0.1)), token("A", ("A", 0.7), ("B", 0.2))], (0.7, 0.2), 0.81),
        ([token("(B", ("(B", 0.6), ("(A", 0.3)), token(")", (")", 1.0))], (0.3, 0.6), 0.9),
        ([token("A", ("A", 0.8), (" (", 0.2)), token(")", (")", 1.0))], (0.8, 0), 0.8),
        ([token("I", ("I", 0.9), (" (", 0.1)), token("A", ("A", 1.0))], (0, 0), 0.0),
        ([token("(", ("(", 1.0)), token('"', ('"', 1.0)), token("(", ("(", 1.0))], (0, 0), 0.0),
    ],
)
def test_letters_in_brackets_are_read_behind_the_bracket(
    content: list[Any], weights: tuple[float, float], mass: float
) -> None:
    found, reached = read_choice(content, WRAPPED)
    assert [found.get(option, 0.0) for option in WRAPPED] == pytest.approx(list(weights))
    assert reached == pytest.approx(mass)


def test_only_letters_in_brackets_need_more_than_one_token() -> None:
    def asked(options: tuple[str, ...]) -> Any:
        async def run() -> Choice:
            model_ = model(server)
            try:
                return await model_.choose(JUDGE, options)
            finally:
                await model_.aclose()

        return asyncio.run(run())

    with serve() as server:
        plain, wrapped = asked(("A", "B")), asked(WRAPPED)
    assert sum(plain.probabilities) == pytest.approx(1)
    assert wrapped.probabilities == pytest.approx(plain.probabilities)


SCHEMA = {
    "type": "object",
    "properties": {"winner": {"type": "string", "enum": ["A", "B"]}, "reason": {"type": "string"}},
    "required": ["winner", "reason"],
    "additionalProperties": False,
}


def test_a_reply_follows_its_schema_where_the_server_can_hold_it_to_one() -> None:
    with serve() as server:
        reply = json.loads(chat(server, replace(ASK, schema=SCHEMA)).text)
        assert set(reply) == {"winner", "reason"}
        assert server.stats()["requests"] == 1


def test_a_server_that_knows_no_schemas_is_asked_for_one_once() -> None:
    async def three(server: Server) -> list[str]:
        asked = model(server)
        try:
            return [(await asked.chat(replace(ASK, sample=n, schema=SCHEMA))).text for n in range(3)]
        finally:
            await asked.aclose()

    with serve(no_schema=True) as server:
        plain = chat(server).text
        assert asyncio.run(three(server)) == [plain] * 3
        assert server.stats()["requests"] == 1 + 4


def test_a_refusal_that_is_not_the_schemas_fault_stays_a_refusal() -> None:
    asked = replace(ASK, schema=SCHEMA)
    with serve(poison=["kettle"]) as server, pytest.raises(RequestRefusedError, match="rejected"):
        chat(server, asked)
    with serve(context_error=["kettle"]) as server:
        with pytest.raises(RequestRefusedError) as caught:
            chat(server, asked)
        assert (caught.value.reason, server.stats()["requests"]) == ("context_too_long", 1)


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as server, proxy_to(server.port) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        there = OpenAIOptions(**WAY)
        far = OpenAIModel(ModelSetup("openai", "test-model", there, base_url="http://models.invalid/v1", timeout=10.0))
        reply = ask_once(far, lambda asked: asked.chat(ASK))
        assert reply.text == chat(server).text
    assert proxy.asked == ["http://models.invalid/v1/chat/completions"]
    assert proxy.credentials == ["Basic bWU6c2VjcmV0"]
