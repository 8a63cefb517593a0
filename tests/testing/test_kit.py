"""The kit finds nothing in what ships, and in each planted fault just that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from constitutional import (
    ChatReply,
    ChatRequest,
    Choice,
    Critique,
    Drop,
    Judgement,
    ModelSetup,
    Needs,
    NoLogprobs,
    Reject,
    Response,
    Rewrite,
    Ruling,
    Score,
    Setup,
    hookimpl,
)
from constitutional.plugins import KINDS, PluginHost
from constitutional.testing import Outcome, Subject, Workshop, checks_of, examine, graded
from tests.testing.planted import (
    Asking,
    AsksEarly,
    CoinFlip,
    FewArguments,
    Fragile,
    Handmade,
    LeavesTasks,
    Loose,
    NoMethod,
    OneOrder,
    Percent,
    Plain,
    Random,
    Stateful,
    Strict,
    Swallows,
    TurnsRound,
)

BUILTIN = "constitutional.builtin"
RULES = {"rules": [{"check": "length", "unit": "characters", "most": 60}]}
MEMBERS = {"members": [{"plugin": "pairwise-logprob"}, {"plugin": "pairwise-cot"}]}
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("judge", "panel"): MEMBERS,
    ("judge", "rules"): RULES,
    ("scorer", "panel"): {"members": [{"plugin": "pointwise"}, {"plugin": "pointwise", "name": "again"}]},
    ("scorer", "rules"): RULES,
    ("filter", "refusals"): {"benign": ["harmless"]},
}
NEEDS_MORE = {"reward-model", "contamination", "anthropic", "openai", "transformers", "vllm", "pocket"}
"""What asks for a checkpoint, a file or a server: its own tests have them."""
SHIPPED = [
    Subject(
        item.kind,
        item.name,
        BUILTIN,
        OPTIONS.get((item.kind, item.name), {}),
        model="demo",
        ladder=("x" * 100, "x") if item.name == "rules" else (),
    )
    for item in PluginHost(installed=False).registered()
    if item.name not in NEEDS_MORE
]


@pytest.mark.parametrize("subject", SHIPPED, ids=lambda subject: f"{subject.kind}-{subject.name}")
def test_what_ships_conforms(subject: Subject) -> None:
    assert [outcome for outcome in examine(subject) if outcome.said == "fault"] == []


JUDGES = [
    (Plain, None, "", ""),
    (Asking, None, "", ""),
    (Plain, Strict, "", ""),
    (Plain, Loose, "checks-its-options", "takes an option that it does not have"),
    (OneOrder, None, "is-symmetric", "read both orders"),
    (CoinFlip, None, "abstains", "p is 0.5 though the model said nothing"),
    (Swallows, None, "can-be-cancelled", "goes on when it is cancelled"),
    (LeavesTasks, None, "can-be-cancelled", "leaves "),
    (Random, None, "is-deterministic", "says something else the second time"),
    (Stateful, None, "is-safe-side-by-side", "a is "),
    (Percent, None, "answers", "p_ab is 50.0, not a number from 0 to 1"),
    (TurnsRound, None, "answers", "was asked about"),
    (Fragile, None, "takes-hostile-input", "raises ZeroDivisionError"),
    (Handmade, None, "answers", "make it with Judgement.of"),
    (NoMethod, None, "makes-without-asking", "has no method judge"),
    (FewArguments, None, "makes-without-asking", "judge does not take 4 arguments"),
    (AsksEarly, None, "makes-without-asking", "the factory asks the model"),
]


@pytest.mark.parametrize(
    ("factory", "config", "check", "message"),
    JUDGES,
    ids=[f"{case[0].__name__}-{case[2] or 'fine'}" for case in JUDGES],
)
def test_each_fault_of_a_judge_is_found(factory: Any, config: Any, check: str, message: str) -> None:
    found = faults(Subject.of("judge", "theirs", factory, config=config))
    if not check:
        assert found == {}
    else:
        assert message in found[check]


def faults(subject: Subject) -> dict[str, str]:
    return {outcome.check: outcome.detail for outcome in examine(subject) if outcome.said == "fault"}


def scorer(value: Any) -> Any:
    class Scorer:
        def __init__(self, setup: Setup) -> None:
            """Asks nothing."""

        def score(self, prompt: Any, response: Response, principle: Any) -> Score:
            return Score(response.id, principle.id, value(response.text), "theirs")

    return Scorer


@pytest.mark.parametrize(
    ("value", "check", "message"),
    [
        (lambda text: min(1.0, len(text) / 1000), "", ""),
        (len, "answers", "value is "),
        (lambda text: 1 / (1 + len(text)), "is-monotonic", "scores fall"),
        (lambda text: 0.5, "is-monotonic", "no higher than the worst"),
        (lambda text: None if len(text) < 3 else 0.5, "is-monotonic", "abstains on 1 of 3"),
        (lambda text: float("nan"), "answers", "value is nan"),
    ],
)
def test_each_fault_of_a_scorer_is_found(value: Any, check: str, message: str) -> None:
    found = faults(Subject.of("scorer", "theirs", scorer(value), ladder=("a", "bbb", "ccccc")))
    assert (found == {}) if not check else (message in found[check])


def test_a_scorer_that_asks_nobody_needs_a_ladder() -> None:
    (outcome,) = [
        one for one in examine(Subject.of("scorer", "theirs", scorer(lambda text: 0.5))) if one.check == "is-monotonic"
    ]
    assert outcome.said == "skipped"
    assert "ladder" in outcome.detail


class Best:
    """Compares what scores best with what scores worst."""

    most = Needs(4, 1)

    def __init__(self, setup: Setup) -> None:
        """Takes nothing."""

    def needs(self, sampled: int, revised: int) -> Needs:
        return self.most

    async def pair(self, arena: Any) -> Sequence[Ruling | Reject]:
        marks = [(await arena.value(one) or 0.0, one) for one in arena.responses]
        if len(marks) < 2:
            return []
        best, worst = max(marks, key=lambda mark: mark[0]), min(marks, key=lambda mark: mark[0])
        return [await arena.compare(best[1], worst[1])]


class Announces(Best):
    most = Needs(1, 1)


class Invents(Best):
    async def pair(self, arena: Any) -> Sequence[Ruling | Reject]:
        if len(arena.responses) < 2:
            return []
        return [Ruling(arena.responses[0].id, arena.responses[1].id, 0.9, "style")]


@pytest.mark.parametrize(
    ("factory", "check", "message"),
    [
        (Best, "", ""),
        (Announces, "asks-what-it-said", "announces 1 scores and 1 comparisons"),
        (Invents, "answers", "a ruling that arena.compare did not give"),
    ],
)
def test_each_fault_of_a_strategy_is_found(factory: Any, check: str, message: str) -> None:
    found = faults(Subject.of("pairing", "theirs", factory))
    assert (found == {}) if not check else (message in found[check])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, ""),
        ("too_long", ""),
        (Drop("too-long", "9 words"), ""),
        (False, "a filter answers None"),
        ("far too long", "is no word"),
        ("", "is no word"),
    ],
)
def test_each_fault_of_a_filter_is_found(answer: Any, message: str) -> None:
    class Filter:
        def __init__(self, setup: Setup) -> None:
            """Takes nothing."""

        def check(self, pair: Any, trace: Any) -> Any:
            return answer

    found = faults(Subject.of("filter", "theirs", Filter))
    assert (found == {}) if not message else (message in found["answers"])


def test_faults_of_critics_and_revisers_are_found() -> None:
    class Critic:
        def __init__(self, setup: Setup) -> None:
            """Takes nothing."""

        def critique(self, prompt: Any, response: Response, principle: Any) -> Critique:
            return Critique(response.id, principle.id, "yes")  # type: ignore[arg-type]

    class Reviser:
        def __init__(self, setup: Setup) -> None:
            """Takes nothing."""

        def revise(self, prompt: Any, response: Any, principle: Any, critique: Any, round: int) -> Rewrite:
            return Rewrite(None)  # type: ignore[arg-type]

    assert "violates is 'yes'" in faults(Subject.of("critic", "theirs", Critic))["answers"]
    assert "text is None" in faults(Subject.of("reviser", "theirs", Reviser))["answers"]


class Echo:
    """A provider without a fault."""

    weights: tuple[float, ...] = ()

    def __init__(self, setup: ModelSetup) -> None:
        self.setup = setup

    @property
    def id(self) -> str:
        return self.setup.id

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.id}

    async def chat(self, request: ChatRequest) -> ChatReply:
        return ChatReply(request.messages[-1].content)

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        if not self.weights:
            raise NoLogprobs
        return Choice(self.weights, "logprobs")

    async def aclose(self) -> None:
        """Nothing is open."""


class Moves(Echo):
    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.id, "where": self.setup.base_url}


class Sums(Echo):
    weights = (0.9, 0.9, 0.1, 0.1)


class Breaks(Echo):
    async def chat(self, request: ChatRequest) -> ChatReply:
        return ChatReply(str(request.messages[-1].content[0]))


@pytest.mark.parametrize(
    ("factory", "check", "message"),
    [
        (Echo, "", ""),
        (Moves, "has-an-identity", "holds the address"),
        (Sums, "chooses", "probabilities that sum to one"),
        (Breaks, "takes-any-message", "raises IndexError"),
    ],
)
def test_each_fault_of_a_provider_is_found(factory: Any, check: str, message: str) -> None:
    found = faults(Subject.of("model", "theirs", factory, base_url="http://localhost:1"))
    assert (found == {}) if not check else (message in found[check])


def test_a_constitution_that_does_not_load_is_found(tmp_path: Any) -> None:
    (tmp_path / "c.yaml").write_text("name: c\ntiers: 3\n")
    found = faults(Subject.of("constitution", "theirs", lambda: tmp_path / "c.yaml"))
    assert "c.yaml" in found["loads"]
    assert "makes-without-asking" not in found
    assert "no file" in faults(Subject.of("constitution", "theirs", lambda: tmp_path / "d.yaml"))["loads"]


def test_what_is_not_registered_is_examined_no_further() -> None:
    class Empty:
        @hookimpl
        def register_judges(self, register: Any) -> None:
            register("other", Plain)

    assert examine(Subject("judge", "theirs", Empty())) == [
        Outcome("registers", "fault", "registers no judge 'theirs', but: judge other")
    ]


def test_a_check_is_skipped_with_its_reason() -> None:
    subject = Subject.of("judge", "theirs", OneOrder, skip={"is-symmetric": "one order is what it is for"})
    (outcome,) = [one for one in examine(subject) if one.check == "is-symmetric"]
    assert outcome == Outcome("is-symmetric", "skipped", "one order is what it is for")


def test_every_kind_has_checks_and_every_check_says_what_it_is() -> None:
    for kind in KINDS:
        assert len(checks_of(kind)) >= 5
        assert all(check.about.endswith(".") for check in checks_of(kind))


def test_a_workshop_remembers_what_a_model_said() -> None:
    bench = Workshop(Subject.of("judge", "theirs", Asking), graded(("no", "yes")))
    judge = bench.make()

    class Named:
        id = "clear"

    async def ask() -> list[Judgement]:
        yes, no = (Response(n, "p", n, "m", 0, "") for n in ("yes", "no"))
        return [await judge.judge(None, yes, no, Named) for _ in range(2)]

    first, second = asyncio.run(ask())
    assert first == second
    assert (bench.asked, bench.ledger.reused) == (2, 2)
