"""A model as a role sees it: every reply goes through the ledger, the throttle and the meter."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from constitutional.core.digest import digest, seed_for
from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling, Usage
from constitutional.core.plain import mended
from constitutional.errors import ConstitutionalError, PluginError
from constitutional.ledger import CallRow, Once
from constitutional.models.base import ChatModel, NoLogprobs, read_option
from constitutional.models.groups import leader_first
from constitutional.models.meter import Meter, Price
from constitutional.models.throttle import Lane

R = TypeVar("R", ChatReply, Choice)
SAMPLES = 5
"""Replies counted for a choice where a model gives no log-probabilities."""


class RecordedModel:
    """``sampling`` fills in what a request leaves open."""

    def __init__(
        self,
        adapter: ChatModel,
        role: str,
        ledger: Once,
        lane: Lane,
        meter: Meter,
        sampling: Sampling,
        price: Price,
    ) -> None:
        self._adapter = adapter
        self._role = role
        self._ledger = ledger
        self._lane = lane
        self._meter = meter
        self._sampling = sampling
        self._price = price
        self._identity = dict(adapter.identity)
        self._logprobs: bool | None = None
        """Whether the model gives log-probabilities; None: not known yet."""
        self._first_choice = asyncio.Lock()

    @property
    def id(self) -> str:
        return self._adapter.id

    async def chat(self, request: ChatRequest) -> ChatReply:
        request = filled(request, self._sampling)
        value = chat_value(self._identity, request)
        key = digest(value)

        async def ask() -> tuple[ChatReply, CallRow]:
            reply, began = await self._ask(lambda: self._adapter.chat(request))
            reply = replace(reply, text=mended(reply.text), call=key)
            return reply, self._row(key, value, _chat_json(reply), reply.usage, began)

        reply, reused = await self._ledger.answer(key, lambda text: chat_from(text, key), ask)
        if reused:
            self._meter.reused(self._role, self.id)
        return reply

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        """Log-probabilities where the model gives them, else ``SAMPLES`` replies at temperature 1, counted. Which of both
        is found out by one call, and the others wait for it: each of them would be paid for in vain."""
        request, choice = filled(request, self._sampling), None
        if self._logprobs is None:
            async with self._first_choice:
                if self._logprobs is None:
                    choice = await self._choose_by_logprobs(request, options)
        if choice is None and self._logprobs:
            choice = await self._choose_by_logprobs(request, options)
        return await self._choose_by_sampling(request, options) if choice is None else choice

    async def _choose_by_logprobs(self, request: ChatRequest, options: tuple[str, ...]) -> Choice | None:
        """None where the model gives none."""
        value = choose_value(self._identity, request, options)
        key = digest(value)

        async def ask() -> tuple[Choice, CallRow]:
            try:
                choice, began = await self._ask(lambda: self._adapter.choose(request, options))
            except NoLogprobs:
                self._meter.started -= 1
                raise
            choice = replace(choice, calls=(key,))
            return choice, self._row(key, value, _choice_json(choice), choice.usage, began)

        try:
            choice, reused = await self._ledger.answer(key, lambda text: choice_from(text, key), ask)
        except NoLogprobs:
            self._logprobs = False
            return None
        if self._logprobs is None:
            self._logprobs = True
        if reused:
            self._meter.reused(self._role, self.id)
        return choice

    async def _choose_by_sampling(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        def draw(sample: int) -> Coroutine[Any, Any, ChatReply]:
            return self.chat(drawn(request, self._sampling, sample))

        return counted(await leader_first([partial(draw, sample) for sample in range(SAMPLES)]), options)

    async def _ask(self, call: Callable[[], Awaitable[R]]) -> tuple[R, float]:
        """The reply, and when it was first asked for, by a clock that never jumps. The budget is asked just before the call
        is sent, not when it joins the queue."""
        began = 0.0

        async def attempt() -> R:
            nonlocal began
            if not began:
                self._meter.admit()
                began = time.monotonic()
            return await call()

        try:
            reply = await self._lane.call(attempt)
        except (ConstitutionalError, NoLogprobs):
            raise
        except Exception as error:
            raise PluginError(f"model {self.id}: {type(error).__name__}: {error}") from error
        if not isinstance(reply, ChatReply | Choice):
            raise PluginError(f"model {self.id}: answers with {type(reply).__name__}, not with a ChatReply or a Choice")
        self._meter.made(self._role, self.id, reply.usage, self._price.of(reply.usage))
        return reply, began

    def _row(self, key: str, value: Any, reply: str, usage: Usage, began: float) -> CallRow:
        cost = self._price.of(usage)
        return CallRow(
            key,
            self._role,
            self.id,
            value,
            reply,
            usage.prompt,
            usage.completion,
            usage.cached,
            cost,
            time.monotonic() - began,
            time.time(),
        )


def chat_value(identity: Mapping[str, Any], request: ChatRequest) -> list[Any]:
    """What the ledger's key is the digest of."""
    return ["chat", _plain(identity), request.identity()]


def choose_value(identity: Mapping[str, Any], request: ChatRequest, options: tuple[str, ...]) -> list[Any]:
    """Sampling settings have no part in it: a choice is read from the first token's distribution."""
    return ["choose", _plain(identity), [request.messages, options]]


def _plain(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Not copied: it is held as long as its call waits, and thousands may."""
    return identity if isinstance(identity, dict) else dict(identity)


def drawn(request: ChatRequest, usual: Sampling, sample: int) -> ChatRequest:
    """One of the replies that are counted where there are no log-probabilities."""
    seed = seed_for(0, digest(request.identity())[:16], f"choose:{sample}")
    return replace(request, sampling=replace(usual, temperature=1.0, max_tokens=16, seed=seed), sample=sample)


def counted(replies: Sequence[ChatReply], options: tuple[str, ...]) -> Choice:
    votes = Counter(read_option(reply.text, options) for reply in replies)
    read = len(replies) - votes[None]
    probabilities = tuple(votes[option] / read for option in options) if read else ()
    calls = tuple(reply.call for reply in replies)
    return Choice(probabilities, f"sampled:{len(replies)}", read / len(replies), replies[-1].usage, calls)


def filled(request: ChatRequest, usual: Sampling) -> ChatRequest:
    """The role's own sampling where the request has none. A greedy request has no seed: it would not change the reply."""
    asked = request.sampling
    temperature = usual.temperature if asked.temperature is None else asked.temperature
    sampling = Sampling(
        temperature,
        usual.top_p if asked.top_p is None else asked.top_p,
        usual.max_tokens if asked.max_tokens is None else asked.max_tokens,
        None if temperature == 0 else asked.seed,
        asked.stop or usual.stop,
    )
    return replace(request, sampling=sampling)


def _chat_json(reply: ChatReply) -> str:
    usage = reply.usage
    fields: dict[str, Any] = {
        "text": reply.text,
        "finish": reply.finish,
        "usage": [usage.prompt, usage.completion, usage.cached],
    }
    if reply.reasoning is not None:
        fields["reasoning"] = mended(reply.reasoning)
    return json.dumps(fields, ensure_ascii=False)


def chat_from(text: str, key: str) -> ChatReply:
    fields = json.loads(text)
    return ChatReply(fields["text"], fields["finish"], Usage(*fields["usage"]), fields.get("reasoning"), key)


def _choice_json(choice: Choice) -> str:
    usage = choice.usage
    return json.dumps(
        {
            "probabilities": choice.probabilities,
            "method": choice.method,
            "mass": choice.mass,
            "usage": [usage.prompt, usage.completion, usage.cached],
        }
    )


def choice_from(text: str, key: str) -> Choice:
    fields = json.loads(text)
    return Choice(tuple(fields["probabilities"]), fields["method"], fields["mass"], Usage(*fields["usage"]), (key,))
