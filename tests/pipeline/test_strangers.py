"""Plugins of others in a run: what they are given, and what their failures cost."""

from __future__ import annotations

import asyncio
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from constitutional.core.constitution import Principle
from constitutional.core.records import (
    Critique,
    Judgement,
    Pair,
    Prompt,
    Reason,
    Reject,
    Response,
    Ruling,
    Score,
    Trace,
)
from constitutional.errors import PluginError, RequestRefusedError
from constitutional.plugins import TITLES, Register
from constitutional.roles import Arena, Rewrite, Setup
from tests.support.runs import STYLE, Run, World, label, run


def offering(kind: str, name: str, made: Any) -> Callable[..., Any]:
    def hook(register: Register) -> None:
        register(name, lambda setup: made)

    hook.__name__ = f"register_{kind}s"
    return hook


class Broken:
    """Fails in whatever role it is given."""

    async def critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique:
        raise RuntimeError("no licence")

    async def revise(self, *_: Any) -> Rewrite:
        raise RuntimeError("no licence")

    async def judge(self, *_: Any) -> Judgement:
        raise RuntimeError("no licence")

    async def score(self, *_: Any) -> Score:
        raise RuntimeError("no licence")

    async def pair(self, arena: Arena) -> Sequence[Ruling]:
        raise RuntimeError("no licence")

    def check(self, pair: Pair, trace: Trace) -> str | None:
        raise RuntimeError("no licence")


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("critic", {"critic": "mine"}),
        ("reviser", {"reviser": "mine"}),
        ("judge", {"judge": "mine"}),
        ("scorer", {"scorer": "mine", "strategy": "best-vs-worst"}),
        ("pairing", {"strategy": "mine"}),
        ("filter", {"filters": ["mine"]}),
    ],
)
def test_a_plugin_that_raises_costs_the_prompt_it_happened_on(
    tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    made = run(tmp_path, ["rude day"], STYLE, plugin=[offering(kind, "mine", Broken())], max_failure_rate=1, **settings)
    assert made.trace.status == "failed"
    reject = made.reject
    assert (reject.reason, reject.failure) == (Reason.PLUGIN_FAILED, True)
    said = rf"{TITLES.get(kind, kind)} 'mine' of a-plugin \(test_strangers\.py:\d+\): RuntimeError: no licence"
    assert re.fullmatch(said, reject.detail), reject.detail
    assert (made.result.status, made.result.failures) == ("complete", 1)


def test_the_other_prompts_go_on(tmp_path: Path) -> None:
    class Picky:
        def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
            if "two" in a.text:
                raise ValueError("x" * 9999)
            return Judgement.of(a, b, principle.id, 0.8, 0.8, "mine")

    prompts = ["rude one", "rude two", "rude three"]
    made = run(
        tmp_path, prompts, STYLE, plugin=[offering("judge", "mine", Picky())], judge="mine", max_failure_rate=0.5
    )
    assert [trace.status for trace in made.traces] == ["paired", "failed", "paired"]
    detail = made.traces[1].rejects[0].detail
    assert len(detail) == 500
    assert "ValueError: xxx" in detail
    assert made.traces[0].pairs[0].judge_method == "mine"


Answer = Callable[[Response, Response, Principle], Any]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            lambda a, b, rule: Judgement.of(a, b, rule.id, math.nan, math.nan, "m"),
            "p_ab is nan, not a number from 0 to 1",
        ),
        (lambda a, b, rule: Judgement.of(a, b, rule.id, 2, 2, "m"), "p_ab is 2.0, not a number from 0 to 1"),
        (
            lambda a, b, rule: Judgement.of(a, b, "other", 0.8, 0.8, "m"),
            "principle_id is 'other'; 'rude' was asked about",
        ),
        (lambda a, b, rule: Judgement.of(b, a, rule.id, 0.8, 0.8, "m"), "was asked about"),
        (lambda a, b, rule: 0.8, "judge returns float, not Judgement"),
        (lambda a, b, rule: sys.exit("no licence"), "SystemExit: no licence"),
    ],
)
def test_an_answer_that_is_no_answer_is_never_a_label(tmp_path: Path, answer: Answer, said: str) -> None:
    class Judge:
        def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Any:
            return answer(a, b, principle)

    hooks = [offering("judge", "mine", Judge())]
    made = run(tmp_path, ["rude day"], STYLE, plugin=hooks, judge="mine", max_failure_rate=1)
    assert made.reject.reason == Reason.PLUGIN_FAILED
    assert made.reject.detail.startswith("judge 'mine' of a-plugin")
    assert said in made.reject.detail


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    class Judge:
        def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
            p: Any = np.float32(0.75)
            return Judgement.of(a, b, principle.id, p, p, "mine")

    made = run(tmp_path, ["rude day"], STYLE, plugin=[offering("judge", "mine", Judge())], judge="mine")
    assert made.trace.pairs[0].p_chosen == 0.75


@pytest.mark.parametrize(
    ("kind", "settings", "answer", "said"),
    [
        ("critic", {"critic": "mine"}, True, "critique returns bool, not Critique"),
        ("reviser", {"reviser": "mine"}, "better", "revise returns str, not Rewrite"),
        ("scorer", {"scorer": "mine", "strategy": "best-vs-worst"}, 0.7, "score returns float, not Score"),
        ("pairing", {"strategy": "mine"}, None, "pair returns a sequence of Ruling and Reject, not None"),
        ("filter", {"filters": ["mine"]}, True, "a filter answers None, a word or Drop(word, details), not True"),
    ],
)
def test_each_kind_is_told_what_it_should_have_answered(
    tmp_path: Path, kind: str, settings: dict[str, Any], answer: Any, said: str
) -> None:
    class Careless:
        def critique(self, *_: Any) -> Any:
            return answer

        revise = score = critique

        def pair(self, arena: Arena) -> Any:
            return answer

        def check(self, pair: Pair, trace: Trace) -> Any:
            return answer

    hooks = [offering(kind, "mine", Careless())]
    made = run(tmp_path, ["rude day"], STYLE, plugin=hooks, max_failure_rate=1, **settings)
    assert made.reject.detail == f"{TITLES.get(kind, kind)} 'mine' of a-plugin: {said}"


@pytest.mark.parametrize(
    ("ruling", "said"),
    [
        (
            lambda one, other: Ruling("x", other.id, 0.9, None),
            "both are answers of this prompt, as arena.compare gives",
        ),
        (lambda one, other: Ruling(one.id, other.id, 2.0, None), "p of a ruling is 2.0, not a number from 0 to 1"),
    ],
)
def test_a_ruling_that_nobody_gave_is_never_a_label(tmp_path: Path, ruling: Any, said: str) -> None:
    class Inventive:
        async def pair(self, arena: Arena) -> Sequence[Ruling]:
            return [ruling(arena.responses[0], next(iter(arena.final.values())))]

    hooks = [offering("pairing", "mine", Inventive())]
    made = run(tmp_path, ["rude day"], STYLE, plugin=hooks, strategy="mine", max_failure_rate=1)
    assert (made.trace.status, said in made.reject.detail) == ("failed", True)


def test_a_model_that_fails_is_named(tmp_path: Path) -> None:
    def respond(question: str, sample: int) -> str:
        raise KeyError("bug")

    made = run(tmp_path, ["rude day"], STYLE, world=World(respond=respond), max_failure_rate=1)
    assert made.reject.detail == "model scripted:tests.support.runs:answer: KeyError: 'bug'"


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"jugde": lambda *_: None}, "what the factory returns has no method judge; did you mean 'jugde'?"),
        ({"judge": lambda self, prompt, a, b: None}, "judge does not take 4 arguments: too many positional arguments"),
    ],
)
def test_a_method_that_is_not_there_is_known_before_anything_is_asked(
    tmp_path: Path, methods: dict[str, Any], said: str
) -> None:
    world = World()
    hooks = [offering("judge", "mine", type("Theirs", (), methods)())]
    with pytest.raises(PluginError, match=re.escape(f"judge 'mine' of a-plugin: {said}")):
        run(tmp_path, ["rude day"], STYLE, plugin=hooks, judge="mine", world=world)
    assert world.asked == []


def test_a_factory_that_fails_is_named(tmp_path: Path) -> None:
    class NoSetup:
        def judge(self, *_: Any) -> None: ...

    def register_judges(register: Register) -> None:
        register("mine", NoSetup)

    with pytest.raises(
        PluginError, match=r"judge 'mine' of a-plugin cannot be made: TypeError: .*; a factory takes one arg"
    ):
        run(tmp_path, ["rude day"], STYLE, plugin=[register_judges], judge="mine")


def test_what_a_filter_of_the_run_must_not_be(tmp_path: Path) -> None:
    class Patient:
        async def admit(self, prompt: Prompt) -> None: ...

    made = run(
        tmp_path, ["rude day"], STYLE, plugin=[offering("filter", "mine", Patient())], filters=["mine"],
        max_failure_rate=1,
    )  # fmt: skip
    assert made.reject.detail == "filter 'mine' of a-plugin: admit is async, and has to be a plain function"


def test_a_judge_that_repairs_itself_is_asked_again_the_next_time(tmp_path: Path) -> None:
    works = [False]

    class Judge:
        def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
            if not works[0]:
                raise OSError("no connection")
            return Judgement.of(a, b, principle.id, 0.8, 0.8, "mine")

    def again() -> Run:
        return run(tmp_path, ["rude day"], STYLE, plugin=[offering("judge", "mine", Judge())], judge="mine")

    assert again().trace.status == "failed"
    works[0] = True
    second = again()
    assert second.trace.status == "paired"
    assert second.result.calls_made == 0


@pytest.mark.parametrize("style", ["plain", "async"])
def test_a_plugins_methods_may_be_plain_or_async(tmp_path: Path, style: str) -> None:
    class Plain:
        def critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique:
            return Critique(response.id, principle.id, response.round == 0, "mine")

        def revise(self, prompt: Prompt, response: Response, *_: Any) -> Rewrite:
            return Rewrite(response.text + " revised")

        def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
            return Judgement.of(a, b, principle.id, 0.8, 0.8, "mine")

        def check(self, pair: Pair, trace: Trace) -> str | None:
            return "mine" if pair.rejected.text == "two" else None

    class Async(Plain):
        async def critique(self, *args: Any) -> Critique:  # type: ignore[override]
            await asyncio.sleep(0)
            return super().critique(*args)

        async def revise(self, *args: Any) -> Rewrite:  # type: ignore[override]
            return super().revise(*args)

        async def judge(self, *args: Any) -> Judgement:  # type: ignore[override]
            return super().judge(*args)

        async def check(self, *args: Any) -> str | None:  # type: ignore[override]
            return super().check(*args)

    mine = Plain() if style == "plain" else Async()
    hooks = [offering(kind, "mine", mine) for kind in ("critic", "reviser", "judge", "filter")]
    made = run(
        tmp_path, ["one", "two"], STYLE, plugin=hooks, critic="mine", reviser="mine", judge="mine", filters=["mine"]
    )
    assert label(made.traces[0]) == ("one revised", "one")
    assert [reject.reason for reject in made.traces[1].rejects] == ["mine"]


def test_what_a_plugin_is_made_of(tmp_path: Path) -> None:
    seen: list[Setup] = []

    def make(setup: Setup) -> Broken:
        seen.append(setup)
        return Broken()

    def register_judges(register: Register) -> None:
        register("mine", make)

    run(tmp_path, ["rude day"], STYLE, plugin=[register_judges], judge="mine", seed=7, max_failure_rate=1)
    (setup,) = seen
    assert (setup.name, setup.options, setup.seed) == ("mine", None, 7)
    assert setup.model.id == "scripted:tests.support.runs:answer"
    assert setup.constitution.name == "words"


def test_what_a_pairing_asked_and_did_not_wait_for_ends_with_its_prompt(tmp_path: Path) -> None:
    events: list[str] = []

    class Hasty:
        async def pair(self, arena: Arena) -> Sequence[Ruling]:
            first, second, third = arena.responses
            self.later = asyncio.create_task(arena.compare(first, third))
            return [await arena.compare(first, second)]

    class Judge:
        async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
            if b.text == "two":
                try:
                    await asyncio.Event().wait()
                finally:
                    events.append("stopped")
            return Judgement.of(a, b, principle.id, 0.8, 0.8, "mine")

    def trace_finished(trace: Trace) -> None:
        events.append(f"finished with {len(trace.pairs)}")

    hooks = [offering("pairing", "mine", Hasty()), offering("judge", "mine", Judge()), trace_finished]
    world = World(respond=lambda question, sample: ["zero", "one", "two"][sample])
    run(tmp_path, ["a"], STYLE, world=world, plugin=hooks, responses=3, strategy="mine", judge="mine")
    assert events == ["stopped", "finished with 1"]


def test_a_pairing_may_ask_the_arena_and_its_answers_are_recorded(tmp_path: Path) -> None:
    class Everything:
        async def pair(self, arena: Arena) -> Sequence[Ruling]:
            first, second = arena.responses
            assert await arena.value(first) is not None
            twice = await asyncio.gather(arena.compare(first, second), arena.compare(first, second))
            assert twice[0] == twice[1]
            return twice[:1]

    world = World(respond=lambda question, sample: ["day", "rude day"][sample])
    hooks = [offering("pairing", "mine", Everything())]
    trace = run(tmp_path, ["?"], STYLE, plugin=hooks, strategy="mine", responses=2, rounds=0, world=world).trace
    assert label(trace) == ("day", "rude day")
    assert trace.pairs[0].strategy == "mine"
    assert (len(trace.judgements), len(trace.scores)) == (1, 1)


def test_a_request_that_the_model_refuses_costs_its_own_prompt(tmp_path: Path) -> None:
    def respond(question: str, sample: int) -> str:
        if question == "too long":
            raise RequestRefusedError("the prompt has 9,999 tokens of 4,096", "context_too_long")
        return question

    made = run(tmp_path, ["too long", "rude day"], STYLE, world=World(respond=respond), max_failure_rate=1)
    refused, other = made.traces
    assert refused.rejects == (
        Reject(refused.prompt.id, Reason.CONTEXT_TOO_LONG, "the prompt has 9,999 tokens of 4,096", failure=True),
    )
    assert other.status == "paired"
