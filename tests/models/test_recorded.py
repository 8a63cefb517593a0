"""Choices of a model behind the ledger: how it is found out whether there are log-probabilities, and sampling without."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling
from constitutional.core.records import Message
from constitutional.errors import RequestRefusedError
from constitutional.ledger import Ledger
from constitutional.models.base import NoLogprobs
from constitutional.models.meter import Meter, Price
from constitutional.models.recorded import RecordedModel
from constitutional.models.throttle import Throttle

A_B = ("A", "B")


@dataclass
class Adapter:
    """Answers a choice, or a chat with the next of ``replies``; after the first ``alone`` calls only once ``crowd`` of them
    are in flight."""

    logprobs: bool = True
    refused: frozenset[str] = frozenset()
    replies: list[str] = field(default_factory=list)
    alone: int = 100
    crowd: int = 1
    crowded: asyncio.Event = field(default_factory=asyncio.Event)
    chosen: list[str] = field(default_factory=list)
    chats: list[ChatRequest] = field(default_factory=list)
    together: list[int] = field(default_factory=list)
    """How many calls were in flight when each began, with itself."""
    active: int = 0
    id: str = "made:up"
    identity: Mapping[str, Any] = field(default_factory=lambda: {"model": "made:up"})

    async def chat(self, request: ChatRequest) -> ChatReply:
        self.chats.append(request)
        text = self.replies.pop(0) if self.replies else "A"
        await self._work()
        return ChatReply(text, "stop")

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        self.chosen.append(request.messages[-1].content)
        await self._work()
        if self.chosen[-1] in self.refused:
            raise RequestRefusedError("no")
        if not self.logprobs:
            raise NoLogprobs
        return Choice((0.75, 0.25), "logprobs", 1.0)

    async def aclose(self) -> None: ...

    async def _work(self) -> None:
        self.active += 1
        self.together.append(self.active)
        if len(self.together) > self.alone:
            if self.active >= self.crowd:
                self.crowded.set()
            await asyncio.wait_for(self.crowded.wait(), 10)
        for _ in range(20):
            await asyncio.sleep(0)
        self.active -= 1


def choices(folder: Path, adapter: Adapter, *texts: str) -> tuple[list[Choice | BaseException], Meter]:
    async def run() -> tuple[list[Choice | BaseException], Meter]:
        ledger, meter = Ledger(folder / "run.db"), Meter()
        usual = Sampling(0.0, None, 512)
        model = RecordedModel(adapter, "judge", ledger, Throttle(64), meter, usual, Price())
        asked = (model.choose(ChatRequest((Message("user", text),)), A_B) for text in texts)
        try:
            return await asyncio.gather(*asked, return_exceptions=True), meter
        finally:
            await ledger.landed()
            ledger.close()

    return asyncio.run(run())


def methods(made: list[Choice | BaseException]) -> list[str]:
    return [choice.method if isinstance(choice, Choice) else type(choice).__name__ for choice in made]


def test_a_model_without_logprobs_is_asked_for_them_once(tmp_path: Path) -> None:
    adapter = Adapter(logprobs=False)
    made, meter = choices(tmp_path, adapter, *map(str, range(20)))
    assert methods(made) == ["sampled:5"] * 20
    assert (len(adapter.chosen), len(adapter.chats), meter.calls_made, meter.started) == (1, 100, 100, 100)


def test_a_model_with_them_is_asked_by_one_first_and_then_by_all_at_once(tmp_path: Path) -> None:
    adapter = Adapter(alone=1, crowd=19)
    made, meter = choices(tmp_path, adapter, *map(str, range(20)))
    assert methods(made) == ["logprobs"] * 20
    assert sorted(adapter.chosen) == sorted(map(str, range(20)))
    assert (adapter.together[0], max(adapter.together), meter.calls_made) == (1, 19, 20)


def test_a_first_choice_that_fails_leaves_the_question_to_the_next(tmp_path: Path) -> None:
    adapter = Adapter(logprobs=False, refused=frozenset({"0"}))
    made, _ = choices(tmp_path, adapter, "0", "1", "2")
    assert methods(made) == ["RequestRefusedError", "sampled:5", "sampled:5"]
    assert adapter.chosen == ["0", "1"]


def test_one_sample_goes_first_and_the_others_together(tmp_path: Path) -> None:
    adapter = Adapter(logprobs=False, replies=["A", "B.", "(a)", "perhaps", "A"], alone=2, crowd=4)
    (choice,), _ = choices(tmp_path, adapter, "Which?")
    assert isinstance(choice, Choice)
    assert (choice.probabilities, choice.mass) == ((0.75, 0.25), 0.8)
    assert adapter.together[1:] == [1, 1, 2, 3, 4]
    assert [request.sample for request in adapter.chats] == [0, 1, 2, 3, 4]


def test_samples_are_found_again_under_the_keys_that_they_always_had(tmp_path: Path) -> None:
    (choice,), _ = choices(tmp_path, Adapter(logprobs=False), "Which?")
    assert isinstance(choice, Choice)
    assert [key[:8] for key in choice.calls] == ["59dcbe3f", "47add379", "af7a6a93", "b6ec90be", "b4f9cf06"]
    again = Adapter(logprobs=False)
    choices(tmp_path, again, "Which?")
    assert again.chats == []
