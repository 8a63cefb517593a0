"""The test server against the real client libraries: what other tests measure with must itself be right."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import anthropic
import openai
import pytest

from tests.support.replies import MODEL
from tests.support.server import Server, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
YES_NO = "Is the sky blue?\nReply with one word: yes or no."


def with_openai(server: Server, work: Callable[[openai.AsyncOpenAI], Awaitable[T]], timeout: float = 10) -> T:
    async def run() -> T:
        http_client = openai.DefaultAioHttpClient()
        async with openai.AsyncOpenAI(
            base_url=server.url, api_key="key", max_retries=0, timeout=timeout, http_client=http_client
        ) as client:
            return await work(client)

    return asyncio.run(run())


def chat(server: Server, prompt: str, timeout: float = 10, **params: Any) -> Any:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}]
    params = {"model": MODEL, "messages": messages, **params}
    return with_openai(server, lambda client: client.chat.completions.create(**params), timeout)


def message(server: Server, prompt: str) -> Any:
    async def run() -> Any:
        async with anthropic.AsyncAnthropic(
            base_url=server.anthropic_url, api_key="key", max_retries=0, timeout=10
        ) as client:
            messages = [{"role": "user", "content": prompt}]
            return await client.messages.create(model=MODEL, max_tokens=100, system="Be brief.", messages=messages)

    return asyncio.run(run())


def test_a_reply_is_a_function_of_the_request() -> None:
    with serve(reply_tokens=7) as server:
        first, again = chat(server, "Hello there", seed=1), chat(server, "Hello there", seed=1)
        other = chat(server, "Hello there", seed=2)
        assert first == again
        assert first.choices[0].message.content != other.choices[0].message.content
        assert first.choices[0].finish_reason == "stop"
        assert first.choices[0].logprobs is None
        assert first.usage.completion_tokens == 7 == len(first.choices[0].message.content.split())
        assert first.usage.prompt_tokens == 4
        assert first.usage.prompt_tokens_details.cached_tokens == 2
        assert chat(server, "Hello there", max_tokens=3).choices[0].finish_reason == "length"
        stats = server.stats(grace=0)
        assert (stats["requests"], stats["unique"], stats["repeats_after_sent"]) == (4, 3, 1)
        assert stats["statuses"] == {"200": 4}
        assert [model.id for model in with_openai(server, list_models)] == [MODEL]


async def list_models(client: openai.AsyncOpenAI) -> list[Any]:
    return [model async for model in client.models.list()]


@pytest.mark.parametrize(
    ("last", "options"),
    [
        ("Reply with one word: yes or no.", ["yes", "no"]),
        ("Reply with one letter: A or B.", ["A", "B"]),
        ("Reply with one letter: A, B or C.", ["A", "B", "C"]),
        ("Reply with one number from 1 to 10.", [str(number) for number in range(1, 11)]),
    ],
)
def test_a_choice_has_probabilities_over_the_options(last: str, options: list[str]) -> None:
    with serve() as server:
        prompt = f"Choose.\n{last}"
        reply = chat(server, prompt, logprobs=True, top_logprobs=20, max_tokens=1, temperature=0)
        (token,) = reply.choices[0].logprobs.content
        shares = {top.token: math.exp(top.logprob) for top in token.top_logprobs}
        assert set(shares) == {*options, "The"}
        assert math.isclose(sum(shares.values()), 1)
        assert reply.choices[0].message.content == token.token == max(shares, key=shares.__getitem__)
        few = chat(server, prompt, logprobs=True, top_logprobs=2, max_tokens=1)
        assert len(few.choices[0].logprobs.content[0].top_logprobs) == 2
        sampled = {chat(server, prompt, seed=seed).choices[0].message.content for seed in range(8)}
        assert sampled <= set(options)
        server.configure(no_logprobs=True)
        assert chat(server, prompt, logprobs=True, top_logprobs=20).choices[0].logprobs is None


def test_too_many_requests_says_when_to_come_back() -> None:
    with serve(share_429=1.0, retry_after=2.5) as server:
        with pytest.raises(openai.RateLimitError) as caught:
            chat(server, "Hello")
        assert caught.value.response.headers["retry-after"] == "2.5"
        with pytest.raises(anthropic.RateLimitError):
            message(server, "Hello")
        assert server.stats()["faults"] == {"429": 2}


def test_a_rate_limit_holds_in_every_second() -> None:
    async def burst(client: openai.AsyncOpenAI) -> list[Any]:
        chats = [
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": str(number)}])
            for number in range(12)
        ]
        return await asyncio.gather(*chats, return_exceptions=True)

    with serve(rate_limit=5) as server:
        results = with_openai(server, burst)
        refused = [result for result in results if isinstance(result, openai.RateLimitError)]
        assert len(refused) == 7
        assert {error.response.headers["retry-after"] for error in refused} == {"1"}


def test_a_reset_connection_and_a_server_error() -> None:
    with serve(share_reset=1.0) as server:
        with pytest.raises(openai.APIConnectionError):
            chat(server, "Hello")
        (entry,) = server.log()
        assert (entry["status"], entry["fault"], entry["sent"]) == (0, "reset", None)
        server.configure(share_reset=0.0, share_500=1.0)
        with pytest.raises(openai.InternalServerError):
            chat(server, "Hello")


def test_answers_that_are_no_answers() -> None:
    with serve(share_truncated=1.0) as server:
        with pytest.raises(json.JSONDecodeError):
            chat(server, "Hello")
        server.configure(share_truncated=0.0, share_wrong_shape=1.0)
        assert not chat(server, "Hello").choices
        server.configure(share_wrong_shape=0.0, empty=["Hello"])
        assert chat(server, "Hello").choices[0].message.content == ""
        log = server.log()
        assert [(entry["status"], entry["fault"]) for entry in log[:2]] == [
            (200, "truncated"),
            (200, "wrong_shape"),
        ]
        assert [entry["whole"] for entry in log] == [False, False, True]
        assert server.stats(grace=0)["repeats_after_sent"] == 0


def test_a_client_that_leaves_was_not_answered() -> None:
    with serve(share_hang=1.0) as server:
        with pytest.raises(openai.APITimeoutError):
            chat(server, "Hello", timeout=0.2)
        deadline = time.monotonic() + 5
        while server.stats()["vanished"] == 0 and time.monotonic() < deadline:
            pass
        assert server.log()[0]["sent"] is None
        assert server.stats()["in_flight"] == 0
        server.configure(hang_s=0.01)
        assert chat(server, "Hello").choices
        assert server.log()[1]["whole"]


def test_refusals() -> None:
    with serve(poison=["bad"], context_error=["long"], unknown_model="none", require_key="key") as server:
        with pytest.raises(openai.BadRequestError) as caught:
            chat(server, "a bad prompt")
        assert caught.value.code == "invalid_prompt"
        with pytest.raises(openai.BadRequestError) as caught:
            chat(server, "a long prompt")
        assert caught.value.code == "context_length_exceeded"
        with pytest.raises(openai.NotFoundError) as missing:
            chat(server, "Hello", model="none")
        assert missing.value.code == "model_not_found"
        with pytest.raises(anthropic.BadRequestError):
            message(server, "a bad prompt")
        assert chat(server, "Hello").choices
        assert message(server, "Hello").content
        server.configure(require_key="another")
        with pytest.raises(openai.AuthenticationError):
            chat(server, "Hello")
        with pytest.raises(anthropic.AuthenticationError):
            message(server, "Hello")


def test_the_messages_api() -> None:
    with serve(reply_tokens=5) as server:
        reply = message(server, "Hello there now")
        assert reply.stop_reason == "end_turn"
        assert len(reply.content[0].text.split()) == 5 == reply.usage.output_tokens
        assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens) == (3, 2)
        assert message(server, YES_NO).content[0].text in ("yes", "no")


def test_log_marks_and_latency() -> None:
    with serve(latency_range=[0.02, 0.05]) as server:
        chat(server, "Hello")
        at = server.mark("killed")
        (entry,) = server.log()
        assert entry["prompt"] == "Hello"
        assert entry["sent"] is not None
        assert 0.02 <= entry["sent"] - entry["received"] < 1
        assert entry["sent"] < at == server.marks()["killed"]
        server.reset()
        assert server.log() == []
        assert server.marks() == {}
        server.configure(log=False)
        chat(server, "Hello")
        assert server.log() == []
        assert server.stats()["requests"] == 1
        with pytest.raises(ValueError, match="latncy"):
            server.configure(latncy=1)


def test_faults_are_the_same_in_every_run() -> None:
    def run() -> list[tuple[str, int]]:
        with serve(seed=3, share_429=0.2, share_500=0.2, share_truncated=0.2) as server:
            for number in range(12):
                with suppress(openai.APIError, ValueError):
                    chat(server, str(number % 6))
            return [(entry["prompt"], entry["status"]) for entry in server.log()]

    first = run()
    assert first == run()
    assert len({status for _, status in first}) > 1


def test_the_server_ends_with_its_parent() -> None:
    with serve() as server:
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(10) == 0
    with serve() as server:
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(10) == 0
