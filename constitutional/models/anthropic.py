"""Claude through the official SDK over aiohttp, with the shared prefix of a group of calls marked for caching.

The Messages API gives no log-probabilities: choices are counted from samples, and the dataset says so."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.messages import ChatReply, ChatRequest, Choice, Usage
from constitutional.errors import MissingExtraError, ModelUnavailableError, TransientError
from constitutional.models.base import NoLogprobs
from constitutional.models.batches.api import BatchApi, Post
from constitutional.models.http import Constraint, no_answer, parse_retry_after, raise_for_status
from constitutional.models.started import Started
from constitutional.roles import ModelSetup

DEFAULT_MAX_TOKENS = 1024
SHORTEST_CACHED = 4000
"""Characters: a prefix shorter than about a thousand tokens is not cached by the API, and marking it is of no use."""
FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "refusal": "refusal"}


class AnthropicOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    extra_body: dict[str, Any] = Field(default={}, description="More parameters of the request, sent as they are.")
    prompt_caching: bool = Field(default=True, description="Mark the shared prefix of a group of calls.")


class AnthropicModel:
    def __init__(self, setup: ModelSetup) -> None:
        self._setup = setup
        options: AnthropicOptions = setup.options or AnthropicOptions()
        self._options = options
        self._imported = Started(_import)
        self._client: Any = None
        self._raw: Any = None
        self._send: Post = self.post
        self._constraint = Constraint()

    @property
    def id(self) -> str:
        return self._setup.id

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.id, "revision": self._setup.revision, "extra": self._options.extra_body}

    async def chat(self, request: ChatRequest) -> ChatReply:
        send = partial(self._send, sample=request.sample)
        data = await self._constraint.post(send, self._body(request), _output_config(request))
        try:
            blocks = data["content"]
            text = "".join(block["text"] for block in blocks if block["type"] == "text")
            thought = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
            reason = data.get("stop_reason") or "stop"
            return ChatReply(text, FINISH.get(reason, reason), _usage(data), thought or None)
        except (KeyError, TypeError, AttributeError) as error:
            shown = json.dumps(data, ensure_ascii=False)[:120]
            raise TransientError(f"{self.id}: the reply is not a message: {shown}", "malformed_reply") from error

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        raise NoLogprobs

    def through(self, post: Post) -> AnthropicModel:
        other = copy.copy(self)
        other._send = post
        return other

    def batches(self) -> BatchApi:
        from constitutional.models.batches.anthropic import AnthropicBatches

        return AnthropicBatches(self)

    async def client(self) -> Any:
        if self._client is None:
            await self._imported.get()
        if self._client is None:
            self._connect()
        return self._client

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        """System turns go to their own field; of the last message, the shared part is a block of its own."""
        sampling = request.sampling
        system = "\n\n".join(content for role, content in request.messages if role == "system")
        turns: list[dict[str, Any]] = [
            {"role": role, "content": content} for role, content in request.messages if role != "system"
        ]
        if turns and self._options.prompt_caching and request.shared >= SHORTEST_CACHED:
            text = str(turns[-1]["content"])
            turns[-1] = {"role": turns[-1]["role"], "content": _split_for_cache(text, request.shared)}
        settings = {
            "system": system or None,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop_sequences": list(sampling.stop) or None,
        }
        body: dict[str, Any] = {
            "model": self._setup.model,
            "max_tokens": sampling.max_tokens or DEFAULT_MAX_TOKENS,
            "messages": turns,
        }
        body |= {name: value for name, value in settings.items() if value is not None}
        return body | self._options.extra_body

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """The SDK's errors as ours."""
        import anthropic

        try:
            yield
        except anthropic.APIStatusError as error:
            retry_after = parse_retry_after(error.response.headers.get("retry-after"))
            kind, detail = _detail(error)
            raise_for_status(self.id, error.status_code, detail, kind, retry_after)
        except anthropic.APIConnectionError as error:
            raise no_answer(self.id, error, self._setup.timeout) from error

    async def post(self, body: dict[str, Any], sample: int = 0) -> Any:
        client = await self.client()
        with self.faults():
            response = await client.post("/v1/messages", cast_to=self._raw, body=body)
        try:
            return json.loads(response.content)
        except ValueError as error:
            raise TransientError(f"{self.id}: the reply is not JSON", "malformed_reply") from error

    def _connect(self) -> None:
        import anthropic
        import httpx2

        variable = self._setup.api_key_env or "ANTHROPIC_API_KEY"
        key = os.environ.get(variable)
        if not key:
            raise ModelUnavailableError(f"{self.id}: no API key: set {variable}")
        self._raw = httpx2.Response
        most = max(self._setup.concurrency, 8)
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=self._setup.base_url,
            max_retries=0,
            timeout=self._setup.timeout,
            http_client=anthropic.DefaultAioHttpClient(
                timeout=self._setup.timeout,
                limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
            ),
        )


def _import() -> None:
    """It takes a second."""
    try:
        import anthropic  # noqa: F401
        import httpx2  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.naming(error.name or "anthropic", "anthropic") from error


def _output_config(request: ChatRequest) -> dict[str, Any] | None:
    if request.schema is None:
        return None
    return {"output_config": {"format": {"type": "json_schema", "schema": dict(request.schema)}}}


def _split_for_cache(text: str, shared: int) -> list[dict[str, Any]]:
    common = {"type": "text", "text": text[:shared], "cache_control": {"type": "ephemeral"}}
    own = text[shared:]
    return [common, {"type": "text", "text": own}] if own.strip() else [common]


def _usage(data: Any) -> Usage:
    usage = data.get("usage") or {}
    cached = int(usage.get("cache_read_input_tokens") or 0)
    written = int(usage.get("cache_creation_input_tokens") or 0)
    return Usage(int(usage.get("input_tokens") or 0) + cached + written, int(usage.get("output_tokens") or 0), cached)


def _detail(error: Any) -> tuple[str | None, str]:
    body = error.body if isinstance(error.body, dict) else {}
    inner: Any = body.get("error") if isinstance(body.get("error"), dict) else {}
    return inner.get("type"), str(inner.get("message") or error.message)
