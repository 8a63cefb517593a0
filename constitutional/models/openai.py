"""Any OpenAI-compatible server (OpenAI, vLLM, Ollama, llama.cpp, OpenRouter, …).

OpenAI itself is reached through the official SDK over aiohttp, any other address over aiohttp alone, which costs a third.
The SDK's retries are off (``throttle`` does them, for all models alike) and the reply is read from its JSON here: building
the SDK's response models would cost a third of the client's time."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.messages import ChatReply, ChatRequest, Choice, Usage
from constitutional.errors import (
    MissingExtraError,
    ModelError,
    ModelUnavailableError,
    TransientError,
)
from constitutional.models.base import NoLogprobs, normalised, split_reasoning
from constitutional.models.batches.api import BatchApi, Post
from constitutional.models.http import Constraint, no_answer, parse_retry_after, raise_for_status
from constitutional.models.openai_http import PlainHttp
from constitutional.models.started import Started
from constitutional.roles import ModelSetup

TOP_LOGPROBS = 20
MOST_WRAPPING = 3
"""Tokens asked for where the options stand in brackets: the letter may be the second."""
LEAST_MASS = 0.01
"""Under this much probability on the options, the model was not answering the question."""


class OpenAIOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    extra_body: dict[str, Any] = Field(default={}, description="More parameters of the request, sent as they are.")
    max_tokens_field: str | None = Field(
        default=None,
        description="`max_tokens` or `max_completion_tokens`; default: what the address expects.",
    )
    logprobs: bool = Field(default=True, description="False: the server gives none, count samples at once.")
    sdk: bool | None = Field(
        default=None, description="Ask through the official SDK; default: only OpenAI itself, which has no `base_url`."
    )


class OpenAIModel:
    def __init__(self, setup: ModelSetup) -> None:
        self._setup = setup
        options: OpenAIOptions = setup.options or OpenAIOptions()
        self._options = options
        self._imported = Started(_import)
        self._client: Any = None
        self._raw: Any = None
        self._http: PlainHttp | None = None
        self._send: Post = self.post
        self._constraint = Constraint()
        self._max_tokens = options.max_tokens_field or ("max_tokens" if self._address else "max_completion_tokens")

    @property
    def id(self) -> str:
        return self._setup.id

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.id, "revision": self._setup.revision, "extra": self._options.extra_body}

    @property
    def _address(self) -> str | None:
        return self._setup.base_url or os.environ.get("OPENAI_BASE_URL")

    async def chat(self, request: ChatRequest) -> ChatReply:
        send = partial(self._send, sample=request.sample)
        data = await self._constraint.post(send, self._body(request), _response_format(request))
        try:
            choice = data["choices"][0]
            message = choice["message"]
            text, reasoning = split_reasoning(message.get("content") or "")
            finish = "refusal" if message.get("refusal") else (choice.get("finish_reason") or "stop")
            thought = reasoning or message.get("reasoning_content") or message.get("reasoning")
            return ChatReply(text or message.get("refusal") or "", finish, _usage(data), thought)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise _not_a_completion(data) from error

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        if not self._options.logprobs:
            raise NoLogprobs
        wrapped = any(_bare(option) != option.casefold() for option in options)
        body = self._body(request) | {self._max_tokens: MOST_WRAPPING if wrapped else 1, "temperature": 0}
        body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        body.pop("seed", None)
        data = await self._send(body, request.sample)
        try:
            logprobs = data["choices"][0].get("logprobs")
            if not logprobs or not logprobs.get("content"):
                raise NoLogprobs
            weights, mass = read_choice(logprobs["content"], options)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise _not_a_completion(data) from error
        probabilities = normalised(weights, options) if mass >= LEAST_MASS else ()
        return Choice(probabilities, "logprobs", mass, _usage(data))

    def through(self, post: Post) -> OpenAIModel:
        other = copy.copy(self)
        other._send = post
        return other

    def batches(self) -> BatchApi:
        from constitutional.models.batches.openai import OpenAIBatches

        return OpenAIBatches(self)

    async def client(self) -> Any:
        if self._client is None:
            await self._imported.get()
        if self._client is None:
            self._connect()
        return self._client

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        if self._client is not None:
            await self._client.close()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._setup.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
        }
        settings = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self._max_tokens: sampling.max_tokens,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
        }
        body |= {name: value for name, value in settings.items() if value is not None}
        return body | self._options.extra_body

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """The SDK's errors as ours."""
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            retry_after = parse_retry_after(error.response.headers.get("retry-after"))
            raise_for_status(self.id, error.status_code, _detail(error), error.code, retry_after)
        except openai.APIConnectionError as error:
            raise no_answer(self.id, error, self._setup.timeout) from error

    async def post(self, body: dict[str, Any], sample: int = 0) -> Any:
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        reply = await (self._plainly(content) if self._plain else self._through_sdk(content))
        try:
            return json.loads(reply)
        except ValueError as error:
            raise TransientError(f"{self.id}: the reply is not JSON", "malformed_reply") from error

    @property
    def _plain(self) -> bool:
        sdk = self._options.sdk
        return self._address is not None and not sdk

    async def _plainly(self, content: bytes) -> bytes:
        if self._http is None:
            most = max(self._setup.concurrency, 8)
            self._http = PlainHttp(self.id, str(self._address), self._key(), self._setup.timeout, most)
        return await self._http.post(content)

    async def _through_sdk(self, content: bytes) -> bytes:
        client = await self.client()
        with self.faults():
            response = await client.post("/chat/completions", cast_to=self._raw, content=content)
        body: bytes = response.content
        return body

    def _key(self) -> str:
        variable = self._setup.api_key_env or "OPENAI_API_KEY"
        key = os.environ.get(variable)
        if not key and (self._setup.api_key_env or not self._address):
            raise ModelUnavailableError(
                f"{self.id}: no API key: set {variable}, or give --base-url for a server that needs none"
            )
        return key or "none"

    def _connect(self) -> None:
        import httpx2
        import openai

        key = self._key()
        self._raw = httpx2.Response
        most = max(self._setup.concurrency, 8)
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=self._address,
            max_retries=0,
            timeout=self._setup.timeout,
            http_client=openai.DefaultAioHttpClient(
                timeout=self._setup.timeout,
                limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
            ),
        )


def _import() -> None:
    """It takes half a second."""
    try:
        import aiohttp  # noqa: F401
        import httpx2  # noqa: F401
        import openai  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.naming(error.name or "openai", "openai") from error


def read_choice(content: list[Any], options: tuple[str, ...]) -> tuple[dict[str, float], float]:
    """Probability per option, and of all of them: from the first token's log-probabilities, or from a later one's where
    all that came before is a bracket or a quote, as in `` (A)``."""
    weights: dict[str, float] = {}
    mass, reached = 0.0, 1.0
    for item in content:
        weights, here = option_weights({top["token"]: float(top["logprob"]) for top in item["top_logprobs"]}, options)
        mass = reached * here
        if here >= LEAST_MASS or _bare(item["token"]):
            break
        reached *= math.exp(float(item["logprob"]))
    return weights, mass


def option_weights(top: dict[str, float], options: tuple[str, ...]) -> tuple[dict[str, float], float]:
    """Probability per option among these tokens: ``A``, `` A``, ``(A`` and ``a`` are all A."""
    named = {_bare(option): option for option in options}
    weights: dict[str, float] = defaultdict(float)
    for token, logprob in top.items():
        option = named.get(_bare(token))
        if option is not None:
            weights[option] += math.exp(logprob)
    return dict(weights), sum(weights.values())


def _bare(token: str) -> str:
    return token.strip(" \t\n()[]*\"'.:▁Ġ").casefold()


def _response_format(request: ChatRequest) -> dict[str, Any] | None:
    if request.schema is None:
        return None
    schema = {"name": "reply", "schema": dict(request.schema), "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _usage(data: Any) -> Usage:
    usage = data.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
        int(details.get("cached_tokens") or 0),
    )


def _not_a_completion(data: Any) -> ModelError:
    text = json.dumps(data, ensure_ascii=False)
    return TransientError(f"the reply is not a chat completion: {text[:120]}", "malformed_reply")


def _detail(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message") or error.message)
