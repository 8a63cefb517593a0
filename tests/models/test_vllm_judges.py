"""The judges on a real vLLM engine on the CPU: both orders, against transformers' own probabilities."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from constitutional.builtin.judges.pairwise_cot import PairwiseCotJudge, PairwiseCotOptions
from constitutional.builtin.judges.pairwise_logprob import VARIABLES, PairwiseLogprobJudge, PairwiseLogprobOptions
from constitutional.builtin.judges.panel import PanelJudge, PanelJudgeOptions
from constitutional.builtin.judges.rubric import RubricJudge, RubricOptions
from constitutional.builtin.scorers.pointwise import PointwiseOptions, PointwiseScorer
from constitutional.core.constitution import Constitution, PluginUse, Principle
from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.core.records import Judgement, Message, Prompt, Response
from constitutional.models.vllm import VLLMModel
from constitutional.roles import Setup
from constitutional.templates import Templates
from tests.models.conftest import Engine, Reference

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

PROMPT = Prompt("p", (Message("user", "What is the capital of France?"),))
A, B = (Response(name, "p", text, "m", 0, "") for name, text in (("a", "Paris, I think."), ("b", "The brown fox.")))
HONEST = Principle("honest", "Be honest and be helpful.")
LAYOUTS = {"plain": {}, "published": {"template": "judge/paper", "letters": ("(A)", "(B)")}}


@dataclass
class Watched:
    """The engine's model, and every choice that it made."""

    model: VLLMModel
    choices: list[tuple[str, tuple[str, ...], Choice]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.model.id

    async def chat(self, request: ChatRequest) -> ChatReply:
        return await self.model.chat(request)

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        choice = await self.model.choose(request, options)
        self.choices.append((request.messages[-1].content, options, choice))
        return choice


@contextmanager
def watching(engine: Engine) -> Iterator[Watched]:
    """Whatever was asked meanwhile was a distribution over its options."""
    watched = Watched(engine.model)
    yield watched
    assert watched.choices
    for _, options, choice in watched.choices:
        assert len(choice.probabilities) == len(options)
        assert sum(choice.probabilities) == pytest.approx(1, abs=1e-6)
        assert all(0 <= p <= 1 for p in choice.probabilities)
        assert choice.method == "logprobs"


def setup(model: Watched, folder: Path, options: Any, **more: Any) -> Setup:
    return Setup("judge", options, model, Templates(folder), Constitution("none", "1", ()), **more)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_logprob_judge_says_what_the_logits_say(
    engine: Engine, reference: Reference, tmp_path: Path, layout: str
) -> None:
    options = PairwiseLogprobOptions.model_validate(LAYOUTS[layout] | {"least_mass": 0})
    with watching(engine) as model:
        judge = PairwiseLogprobJudge(setup(model, tmp_path, options))
        judged, turned = engine.run(_both(judge))
    template = Templates(tmp_path).get(options.template, VARIABLES)
    expected = []
    for first, second in ((A, B), (B, A)):
        text = template.render(messages=PROMPT.messages, a=first.text, b=second.text, principle=HONEST)
        prompt = reference.prompt(text)
        weights = [reference.spelled(prompt, letter.strip(")")) for letter in options.letters]
        expected.append(weights[0] / sum(weights))
    assert judged.p_ab == pytest.approx(expected[0], abs=1e-3)
    assert judged.p_ba == pytest.approx(1 - expected[1], abs=1e-3)
    assert judged.p == pytest.approx((expected[0] + 1 - expected[1]) / 2, abs=1e-3)
    assert judged.position_offset == pytest.approx((expected[0] + expected[1] - 1) / 2, abs=1e-3)
    assert turned.p == pytest.approx(1 - (judged.p or 0), abs=1e-3)


async def _both(judge: PairwiseLogprobJudge) -> list[Judgement]:
    return list(await asyncio.gather(judge.judge(PROMPT, A, B, HONEST), judge.judge(PROMPT, B, A, HONEST)))


def test_the_judge_that_reasons_is_clamped_and_keeps_its_reasons(engine: Engine, tmp_path: Path) -> None:
    with watching(engine) as model:
        judge = PairwiseCotJudge(setup(model, tmp_path, PairwiseCotOptions(least_mass=0, max_tokens=40)))
        judged = engine.run(judge.judge(PROMPT, A, B, HONEST))
        assert len(model.choices) == 2
    assert judged.method == "cot"
    assert judged.note
    for p in (judged.p_ab, judged.p_ba):
        assert p is not None
        assert 0.4 - 1e-9 <= p <= 0.6 + 1e-9


def test_the_rubric_is_graded_or_not_but_never_invented(engine: Engine, tmp_path: Path) -> None:
    """A model that learned nothing, held to the schema: what it says may be cut off, and is then an abstention."""
    model = Watched(engine.model)
    judge = RubricJudge(setup(model, tmp_path, RubricOptions(dimensions={"tone": "is kind"})))
    judged = engine.run(judge.judge(PROMPT, A, B, HONEST))
    assert judged.method == "rubric"
    assert judged.p is not None or "unreadable" in judged.note
    assert judged.p is None or 0 <= judged.p <= 1


def test_a_panel_of_two_layouts(engine: Engine, tmp_path: Path) -> None:
    uses = [{"plugin": "pairwise-logprob", "options": {**layout, "least_mass": 0}} for layout in LAYOUTS.values()]
    options = PanelJudgeOptions.model_validate({"members": uses, "vote": "weights"})
    with watching(engine) as model:

        def part(kind: str, use: PluginUse, entry: str | None = None) -> PairwiseLogprobJudge:
            chosen = PairwiseLogprobOptions.model_validate(dict(use.options))
            return PairwiseLogprobJudge(setup(model, tmp_path, chosen))

        judged = engine.run(PanelJudge(setup(model, tmp_path, options, part=part)).judge(PROMPT, A, B, HONEST))
        assert len(model.choices) == 4
    assert len(judged.members) == 2
    assert judged.method == "panel:weights(logprobs)"
    assert judged.p is not None


def test_the_pointwise_score_is_the_expected_grade(engine: Engine, reference: Reference, tmp_path: Path) -> None:
    with watching(engine) as model:
        scorer = PointwiseScorer(setup(model, tmp_path, PointwiseOptions(least_mass=0)))
        score = engine.run(scorer.score(PROMPT, A, HONEST))
        ((text, options, choice),) = model.choices
    prompt = reference.prompt(text)
    weights = [reference.spelled(prompt, option, end=option in ("1", "10")) for option in options]
    assert math.isclose(sum(choice.probabilities), 1, abs_tol=1e-6)
    assert score.value == pytest.approx(sum(at * p for at, p in enumerate(choice.probabilities)) / 9)
    # single digits are certain after one token; "1" and "10" begin alike and are told by what follows
    singles = [at for at, option in enumerate(options) if option not in ("1", "10")]
    ratio = choice.probabilities[singles[0]] / weights[singles[0]]
    for at in singles:
        assert choice.probabilities[at] == pytest.approx(weights[at] * ratio, rel=1e-2)
