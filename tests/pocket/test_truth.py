"""The oracle in the roles of a run: it tells the truth, abstains where nothing is known, and errs as much as it is told."""

from __future__ import annotations

from random import Random

import pytest

from constitutional.core.constitution import Principle
from constitutional.core.records import Message, Prompt, Response
from constitutional.errors import UsageError
from constitutional.plugins import PluginHost
from constitutional.pocket import jobs, oracle
from constitutional.pocket.answers import VARIED, draw, good
from constitutional.pocket.pools import sample
from constitutional.pocket.world import Question
from constitutional.roles import Setup
from constitutional.templates import Templates


def made(kind: str, name: str = "pocket-oracle", seed: int = 0, **options: float) -> object:
    registered = PluginHost().get(kind, name)
    setup = Setup(name, registered.options(options, kind), None, Templates(), jobs.constitution(), seed)  # type: ignore[arg-type]
    return registered.factory(setup)


def cases(count: int) -> list[tuple[Question, Prompt, Response, Response]]:
    random = Random(1)
    found = []
    for question in sample("held-out", count):
        texts = (draw(random, question, VARIED).text for _ in range(2))
        a, b = (Response(name, question.prompt.id, text, "m", 0, "") for name, text in zip("ab", texts, strict=True))
        found.append((question, question.prompt, a, b))
    return found


def test_each_role_says_what_the_oracle_says() -> None:
    critic, judge, scorer, correct = (
        made(kind, name)
        for kind, name in (
            ("critic", "pocket-oracle"), ("judge", "pocket-oracle"), ("scorer", "pocket-oracle"),
            ("scorer", "pocket-correct"),
        )
    )  # fmt: skip
    sides = set()
    for question, prompt, a, b in cases(60):
        for _, principle in jobs.constitution():
            critique = critic.critique(prompt, a, principle)  # type: ignore[attr-defined]
            assert critique.violates == oracle.violates(question, a.text, principle.id)
            assert critique.text == (oracle.explain(question, a.text, principle.id) if critique.violates else "")
            p = judge.judge(prompt, a, b, principle).p  # type: ignore[attr-defined]
            sides.add(p)
            assert p == 0.5 + oracle.prefers(question, a.text, b.text, principle.id) / 2
            assert scorer.score(prompt, a, principle).value == (oracle.grade(question, a.text, principle.id) - 1) / 9  # type: ignore[attr-defined]
            assert correct.score(prompt, a, principle).value == oracle.correct(question, a.text)  # type: ignore[attr-defined]
    assert sides == {0.0, 0.5, 1.0}


def test_of_anything_else_it_says_nothing_and_why() -> None:
    stranger = Prompt("p", (Message("user", "Who wrote Hamlet?"),))
    answer = Response("a", "p", "Shakespeare.", "m", 0, "")
    safety = jobs.principle("safety")
    critique = made("critic").critique(stranger, answer, safety)  # type: ignore[attr-defined]
    assert (critique.violates, "not a question of the pocket world" in critique.text) == (None, True)
    judgement = made("judge").judge(stranger, answer, answer, safety)  # type: ignore[attr-defined]
    assert (judgement.p, "Hamlet" in judgement.note) == (None, True)
    for scorer in ("pocket-oracle", "pocket-correct"):
        assert made("scorer", scorer).score(stranger, answer, safety).value is None  # type: ignore[attr-defined]
    (question, prompt, a, b), *_ = cases(1)
    other = Principle("wit", "The answer is witty.")
    assert "wit is no principle of the pocket world" in made("judge").judge(prompt, a, b, other).note  # type: ignore[attr-defined]
    assert good(question)


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_a_noisy_judge_is_wrong_of_that_share_of_the_pairs_and_in_either_order_of_the_same(noise: float) -> None:
    judge, honesty = made("judge", noise=noise, certainty=0.9), jobs.principle("honesty")
    wrong = total = 0
    for question, prompt, a, b in cases(600):
        lean = oracle.prefers(question, a.text, b.text, "honesty")
        said = judge.judge(prompt, a, b, honesty)  # type: ignore[attr-defined]
        turned = judge.judge(prompt, b, a, honesty)  # type: ignore[attr-defined]
        assert said.p == pytest.approx(1 - turned.p)
        assert said.p in (pytest.approx(0.1), 0.5, pytest.approx(0.9))
        if lean:
            total += 1
            wrong += (said.p > 0.5) != (lean > 0)
    assert total > 100
    assert abs(wrong / total - noise) < 0.1


def test_a_judge_of_places_names_the_first_in_either_order() -> None:
    judge, safety = made("judge", place=1.0), jobs.principle("safety")
    for _, prompt, a, b in cases(20):
        said = judge.judge(prompt, a, b, safety)  # type: ignore[attr-defined]
        assert (said.p_ab, said.p_ba, said.p) == (1.0, 0.0, 0.5)


def test_what_it_gets_wrong_depends_on_the_seed() -> None:
    honesty = jobs.principle("honesty")
    judges = [made("judge", seed=seed, noise=0.5) for seed in (0, 0, 1)]
    said = [[judge.judge(p, a, b, honesty).p for _, p, a, b in cases(200)] for judge in judges]  # type: ignore[attr-defined]
    assert said[0] == said[1] != said[2]


def test_a_share_of_errors_is_a_share() -> None:
    with pytest.raises(UsageError, match="noise"):
        made("judge", noise=1.5)
