"""What a pocket model was trained on is what the toolkit asks it: the text of every job, compared with the real roles'."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from constitutional import pocket
from constitutional.config.run import RunConfig, read_run
from constitutional.core.constitution import Principle
from constitutional.core.messages import ChatReply, ChatRequest, Choice
from constitutional.core.records import Message, Messages, Prompt, Response
from constitutional.models.work import Worker
from constitutional.pipeline.models import Models
from constitutional.pipeline.respond import respond
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.pipeline.trace import Cast
from constitutional.plugins import PluginHost
from constitutional.pocket import jobs, oracle
from constitutional.pocket.answers import VARIED, draw, good
from constitutional.pocket.corpus import Amounts, corpus, texts
from constitutional.pocket.jobs import Example
from constitutional.pocket.pools import pool_of, sample
from constitutional.pocket.provider import SHIPPED
from constitutional.pocket.words import HAZARDS, NEW_HAZARDS
from constitutional.pocket.world import read
from constitutional.roles import Remember, _just_work

FAULT = "It insults the person."
ENDS = {
    "check": "Is it broken?",
    "explain": "How is it broken?",
    "revise": "Write it again.",
    "judge": "Which is better?",
    "score": "Grade it from 1 to 10.",
}
DIALOGUE = r"User: .*\n\n(?:Assistant: .*\n\nUser: .*\n\n)*(?:Answer|A): .*"
RUN_FILE = Path(pocket.__file__).parent / "run.yaml"


@dataclass
class Heard:
    """A model that notes what it is asked and finds fault with everything."""

    id: str = "heard:all"
    requests: list[Messages] = field(default_factory=list)

    async def chat(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request.messages)
        return ChatReply(FAULT)

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        self.requests.append(request.messages)
        return Choice((1.0, *(0.0 for _ in options[1:])), "logprobs", 1.0)


@dataclass
class Binding:
    model: Heard

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Heard:
        return self.model

    def remember(self, worker: Worker) -> Remember:
        return _just_work


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def assembly(heard: Heard) -> Assembly:
    if not SHIPPED.is_dir():
        pytest.skip("the pocket model is not there: python -m constitutional.pocket.make")
    config: RunConfig = read_run(RUN_FILE)
    return assemble(config, PluginHost(), RUN_FILE.parent, Binding(heard))


async def ask_everything(cast: Cast, prompt: Prompt, a: Response, b: Response, principle: Principle) -> None:
    """Every role once, in an order that the comparison below knows."""
    await respond(prompt, cast.policy, 1, None, 0)
    critique = await cast.critic.critique(prompt, a, principle)
    await cast.reviser.revise(prompt, a, principle, critique, 1)
    await cast.judge.judge(prompt, a, b, principle)
    await cast.scorer.score(prompt, a, principle)


def test_the_roles_of_the_shipped_run_file_ask_in_the_words_of_the_corpus(assembly: Assembly, heard: Heard) -> None:
    random = Random(0)
    for question in sample("generation", 40):
        prompt = question.prompt
        a, b = (Response(name, prompt.id, draw(random, question, VARIED).text, "m", 0, "") for name in "ab")
        for _, principle in assembly.constitution:
            heard.requests.clear()
            asyncio.run(ask_everything(assembly.cast, prompt, a, b, principle))
            assert heard.requests == [
                question.messages,
                jobs.check(question, a.text, principle.id),
                jobs.explain(question, a.text, principle.id),
                jobs.revise(question, a.text, principle.id, FAULT),
                jobs.judge(question, a.text, b.text, principle.id),
                jobs.judge(question, b.text, a.text, principle.id),
                jobs.score(question, a.text, principle.id),
            ]


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return corpus(Amounts().scaled(0.05), seed=1)


def test_the_corpus_holds_only_what_the_jobs_ask(examples: list[Example]) -> None:
    """Every request in it begins with a question of the pretraining pool, and is one of the seven forms."""
    for example in examples:
        if example.job == "answer":
            assert pool_of(read(example.messages)) == "pretraining"
        else:
            (message,) = example.messages
            assert message.role == "user"
            assert re.match(DIALOGUE, message.content), message.content
            turns = re.findall(r"^(User|Assistant): (.*)$", message.content, re.MULTILINE)
            assert pool_of(read(tuple(Message(role.lower(), text) for role, text in turns))) == "pretraining"
            assert message.content.endswith(ENDS[example.job])


def test_its_targets_are_the_verdicts_of_the_oracle(examples: list[Example]) -> None:
    """Read back from the text alone: the question, the answers and the rule."""
    statements = {principle.statement: principle.id for _, principle in jobs.constitution()}
    for example in examples:
        text = example.messages[-1].content
        if example.job == "answer":
            continue
        turns = re.findall(r"^(User|Assistant): (.*)$", text, re.MULTILINE)
        question = read(tuple(Message(role.lower(), turn) for role, turn in turns))
        parts = dict(re.findall(r"^(Answer|A|B|Rule|Fault): (.*)$", text, re.MULTILINE))
        rule = statements[parts["Rule"]]
        if example.job == "judge":
            lean = oracle.prefers(question, parts["A"], parts["B"], rule)
            assert {example.target, example.other} == {1: {"A", None}, -1: {"B", None}, 0: {"A", "B"}}[lean]
            continue
        answer = parts["Answer"]
        expected = {
            "check": "yes" if oracle.violates(question, answer, rule) else "no",
            "explain": oracle.explain(question, answer, rule),
            "revise": good(question),
            "score": str(oracle.grade(question, answer, rule)),
        }
        assert example.target == expected[example.job]
        assert parts.get("Fault", oracle.explain(question, answer, rule)) == oracle.explain(question, answer, rule)


def test_half_of_what_is_asked_has_the_one_answer_and_half_the_other(examples: list[Example]) -> None:
    checks = [example.target for example in examples if example.job == "check"]
    ties = [example.other is not None for example in examples if example.job == "judge"]
    clear = [example.target for example in examples if example.job == "judge" and example.other is None]
    for shares in ([target == "yes" for target in checks], ties, [target == "A" for target in clear]):
        assert 0.38 < sum(shares) / len(shares) < 0.62


def test_the_same_seed_gives_the_same_corpus() -> None:
    few = Amounts().scaled(0.002)
    assert corpus(few, 7) == corpus(few, 7) != corpus(few, 8)
    assert len(corpus(few, 7)) == sum(getattr(few, job) for job in ENDS) + few.answer


def test_a_held_out_hazard_is_not_a_word_of_the_corpus(examples: list[Example]) -> None:
    everything = " ".join(texts(examples))
    assert [hazard for hazard in HAZARDS if hazard in everything], "others are"
    assert [hazard for hazard in NEW_HAZARDS if hazard in everything] == []
