"""A model that says what a file or a function says: for tests, for demonstrations, for replaying a run. Deterministic.

- ``scripted:replies.jsonl``: one JSON object a line; the first whose ``when`` (a regular expression) is found in the last
  message answers, with ``reply`` (a text, or a list of texts of which the sample index takes one) and ``choose``
  (option → weight). A line without ``when`` matches everything.
- ``scripted:package.module:function``: called with the request and the options (None for a chat); returns a text, or
  for a choice a mapping of option to weight. May be async.
- ``scripted:demo``: a small world that ships with the package.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from constitutional.core.digest import digest
from constitutional.core.messages import ChatReply, ChatRequest, Choice, Usage
from constitutional.errors import ModelUnavailableError, RequestRefusedError
from constitutional.models.base import NoLogprobs, normalised
from constitutional.roles import ModelSetup, settled

Script = Callable[[ChatRequest, tuple[str, ...] | None], Any]
DEMO = "constitutional.pocket.script:answer"


class ScriptedOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    latency: float = Field(default=0.0, ge=0, description="Seconds that every answer takes.")
    logprobs: bool = Field(default=True, description="False: play a model that gives none.")


class ScriptedModel:
    def __init__(self, setup: ModelSetup) -> None:
        options: ScriptedOptions = setup.options or ScriptedOptions()
        self._options = options
        self.id = f"scripted:{Path(setup.model).name}"
        self._revision = setup.revision
        self._script, self._fingerprint = load_script(setup.model)

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.id, "revision": self._revision or self._fingerprint}

    async def chat(self, request: ChatRequest) -> ChatReply:
        text = await self._ask(request, None)
        if not isinstance(text, str):
            raise RequestRefusedError(f"{self.id}: the script gave no text for this chat")
        return ChatReply(text, "stop", _usage(request, text))

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        if not self._options.logprobs:
            raise NoLogprobs
        weights = await self._ask(request, options)
        if isinstance(weights, str):
            weights = {weights: 1.0}
        if not isinstance(weights, Mapping):
            raise RequestRefusedError(f"{self.id}: the script gave no weights for this choice")
        mass = min(1.0, sum(weights.get(option, 0.0) for option in options))
        return Choice(normalised(weights, options), "logprobs", mass, _usage(request, "x"))

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _ask(self, request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        if self._options.latency:
            await asyncio.sleep(self._options.latency)
        return await settled(self._script(request, options))


def load_script(name: str) -> tuple[Script, str]:
    """The script, and a digest of its content where it is a file."""
    if name == "demo" or (Path(name).name == "demo" and Path(name).is_dir()):
        # A folder of that name, such as a run's, is no script and is not meant.
        name = DEMO
    if name.endswith((".jsonl", ".json")):
        return _from_file(Path(name))
    module, colon, function = name.partition(":")
    if not colon:
        raise ModelUnavailableError(f"scripted:{name}: expected demo, FILE.jsonl or package.module:function")
    try:
        script: Script = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ModelUnavailableError(f"scripted:{name}: {error}") from error
    return script, ""


def _from_file(path: Path) -> tuple[Script, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelUnavailableError(f"scripted:{path}: {error.strerror}") from error
    rules = [_rule(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]

    def script(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        last = request.messages[-1].content
        for pattern, rule in rules:
            answer = rule.get("choose" if options else "reply")
            if answer is not None and pattern.search(last):
                return answer[request.sample % len(answer)] if isinstance(answer, list) else answer
        raise RequestRefusedError(f"scripted:{path.name}: no line matches the message {last[-80:]!r}")

    return script, digest(text)


def _rule(path: Path, number: int, line: str) -> tuple[re.Pattern[str], dict[str, Any]]:
    try:
        rule = json.loads(line)
        return re.compile(rule.get("when", ""), re.DOTALL), rule
    except (ValueError, AttributeError, re.error) as error:
        raise ModelUnavailableError(f"{path}:{number}: not a script line: {error}") from error


def _usage(request: ChatRequest, text: str) -> Usage:
    """Four characters a token, as everybody estimates."""
    return Usage(sum(len(content) for _, content in request.messages) // 4 + 1, len(text) // 4 + 1)
