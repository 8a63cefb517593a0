from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional.core.constitution import Principle
from constitutional.core.records import (
    Critique,
    Judgement,
    Message,
    Pair,
    Prompt,
    Reason,
    Reject,
    Response,
    Ruling,
    Score,
    Trace,
)
from constitutional.errors import RequestRefusedError
from constitutional.plugins import Register
from constitutional.roles import Arena, Rewrite, Setup
from tests.support.runs import A_B, Run, World, better, run, tier, without

SAFETY, HONESTY, STYLE = (
    tier("safety", "hard", "bad"),
    tier("honesty", "strong", "false"),
    tier("style", "soft", "rude"),
)


def revisions(trace: Trace) -> list[tuple[str, str | None, str]]:
    """Of each attempt: the principle, the text that came of it (None where it was not kept), and why not."""
    texts = {response.id: response.text for response in trace.responses}
    return [
        (item.principle_id, None if item.revised_id is None else texts[item.revised_id], item.note)
        for item in trace.revisions
    ]


def label(trace: Trace) -> tuple[str, str]:
    (pair,) = trace.pairs
    return pair.chosen.text, pair.rejected.text


# --- revising ---------------------------------------------------------------------------------------------------------


def test_an_answer_that_violates_nothing_is_left_alone(tmp_path: Path) -> None:
    made = run(tmp_path, ["all fine"], SAFETY, HONESTY, STYLE)
    assert (made.trace.revisions, made.trace.pairs, made.trace.status) == ((), (), "rejected")
    assert [critique.violates for critique in made.trace.critiques] == [False] * 3
    assert made.reject == Reject(made.trace.prompt.id, Reason.NO_REVISION, "no answer violates a principle")
    assert (made.result.status, made.result.failures) == ("complete", 0)


def test_a_violation_is_criticised_and_revised_and_becomes_a_pair(tmp_path: Path) -> None:
    made = run(tmp_path, ["a bad day"], SAFETY)
    trace = made.trace
    assert revisions(trace) == [("bad", "a day", "")]
    assert [(c.violates, c.text) for c in trace.critiques] == [(True, "It says bad."), (False, "")]
    assert trace.critiques[0].p_violates == pytest.approx(0.95)
    assert label(trace) == ("a day", "a bad day")
    (pair,) = trace.pairs
    assert (pair.p_chosen, pair.margin, pair.ruling.vetoed_by) == (1.0, 1.0, "safety")
    assert trace.responses[1].parent == trace.responses[0].id
    assert made.result.pairs == 1


@pytest.mark.parametrize(("rounds", "left"), [(1, ["bad bad"]), (2, ["bad bad", "bad"]), (3, ["bad bad", "bad", "x"])])
def test_a_hard_violation_is_revised_up_to_as_many_times_as_there_are_rounds(
    tmp_path: Path, rounds: int, left: list[str]
) -> None:
    trace = run(tmp_path, ["bad bad bad"], SAFETY, rounds=rounds, world=World(revise=_one_less)).trace
    assert revisions(trace) == [("bad", text, "") for text in left]
    assert [response.round for response in trace.responses] == list(range(rounds + 1))
    resolved = left[-1] == "x"
    assert len(trace.unresolved) == len(trace.responses) - resolved


def _one_less(answer: str, word: str) -> str:
    return without(answer, word) or "x"


def test_no_round_is_wasted_once_a_violation_is_mended(tmp_path: Path) -> None:
    trace = run(tmp_path, ["a bad day"], SAFETY, HONESTY, rounds=5).trace
    assert revisions(trace) == [("bad", "a day", "")]


def test_an_unresolved_hard_violation_is_never_chosen(tmp_path: Path) -> None:
    """Both answers violate, and the judge prefers the revised one: there is still no label that praises it."""
    world = World(prefer=lambda a, b, word: 0.9 if a.count(word) < b.count(word) else 0.1)
    made = run(tmp_path, ["bad bad day"], SAFETY, world=world)
    first, second = made.trace.responses
    assert made.trace.rulings[0].p == pytest.approx(0.9)
    assert made.reject == Reject(made.trace.prompt.id, Reason.UNRESOLVED, f"{second.id} violates a hard principle")
    assert made.trace.unresolved == (first.id, second.id)


def test_a_strong_violation_is_accepted_when_the_rounds_are_spent(tmp_path: Path) -> None:
    world = World(prefer=lambda a, b, word: 0.9 if a.count(word) < b.count(word) else 0.1)
    trace = run(tmp_path, ["false false false day"], HONESTY, rounds=2, world=world).trace
    assert [text for _, text, _ in revisions(trace)] == ["false false day", "false day"]
    assert trace.unresolved == ()
    assert label(trace) == ("false day", "false false false day")


def test_a_soft_violation_is_revised_once(tmp_path: Path) -> None:
    trace = run(tmp_path, ["rude rude rude"], STYLE, rounds=3).trace
    assert revisions(trace) == [("rude", "rude rude", "")]


def test_principles_are_mended_in_the_order_of_their_tiers(tmp_path: Path) -> None:
    trace = run(tmp_path, ["rude false bad day"], SAFETY, HONESTY, STYLE).trace
    assert revisions(trace) == [("bad", "rude false day", ""), ("false", "rude day", ""), ("rude", "day", "")]
    assert label(trace) == ("day", "rude false bad day")


def test_no_rounds_means_no_critique(tmp_path: Path) -> None:
    trace = run(tmp_path, ["bad day"], SAFETY, rounds=0).trace
    assert (trace.critiques, trace.revisions, trace.unresolved) == ((), (), ())


@pytest.mark.parametrize(
    ("revised", "note"), [("bad   day\n", "no_op_revision"), ("", "empty_revision"), (" \n ", "empty_revision")]
)
def test_a_revision_that_changes_nothing_is_recorded_and_not_kept(tmp_path: Path, revised: str, note: str) -> None:
    made = run(tmp_path, ["bad day"], SAFETY, rounds=3, world=World(revise=lambda answer, word: revised))
    assert revisions(made.trace) == [("bad", None, note)]
    assert [(reject.reason, reject.failure) for reject in made.trace.rejects] == [
        (note, False),
        (Reason.NO_COMPARISON, False),
    ]
    assert made.trace.unresolved == (made.trace.responses[0].id,)


def test_a_revision_that_breaks_a_higher_tier_is_dropped(tmp_path: Path) -> None:
    world = World(revise=lambda answer, word: "bad day" if word == "rude" else without(answer, word))
    trace = run(tmp_path, ["rude day"], SAFETY, STYLE, world=world).trace
    initial, candidate = trace.responses
    assert (initial.text, candidate.text) == ("rude day", "bad day")
    assert [(revision.revised_id, revision.note) for revision in trace.revisions] == [(None, Reason.WORSENED)]
    assert trace.pairs == ()
    assert [reject.reason for reject in trace.rejects] == [Reason.WORSENED, Reason.NO_COMPARISON]


def test_a_critique_that_cannot_be_read_is_no_violation(tmp_path: Path) -> None:
    trace = run(tmp_path, ["bad day"], SAFETY, world=World(violates=lambda answer, word: None)).trace
    assert [critique.violates for critique in trace.critiques] == [None]
    assert trace.revisions == ()


def test_only_the_principles_that_apply_are_asked_about(tmp_path: Path) -> None:
    safety = tier("safety", "hard", "bad")
    safety["principles"][0]["when"] = {"tags": ["medical"]}
    rows = [
        {"prompt": "bad one", "tags": ["medical"]},
        {"prompt": "bad two"},
        {"prompt": "bad false", "tags": ["quiet"]},
    ]
    made = run(tmp_path, rows, safety, HONESTY, contexts={"quiet": {"honesty": 0.0}})
    assert [{c.principle_id for c in trace.critiques} for trace in made.traces] == [{"bad", "false"}, {"false"}, set()]


# --- ruling and pairing -----------------------------------------------------------------------------------------------


def test_a_judge_that_favours_a_place_cancels_out(tmp_path: Path) -> None:
    made = run(tmp_path, ["rude day"], STYLE, world=World(prefer=lambda a, b, word: 0.8))
    (judged,) = made.trace.judgements
    assert judged.p_ab == pytest.approx(0.8)
    assert judged.p_ba == pytest.approx(0.2)
    assert judged.p == pytest.approx(0.5)
    assert judged.consistent is False
    assert made.reject.reason == Reason.TIE
    assert made.reject.detail == f"{judged.a} and {judged.b}: every tier ties"


def test_what_is_left_of_an_opinion_after_the_bias_is_the_label(tmp_path: Path) -> None:
    """Prefers the first place by 0.1, and the polite answer by 0.3."""

    def prefer(a: str, b: str, word: str) -> float:
        return 0.6 + 0.3 * (("rude" in b) - ("rude" in a))

    trace = run(tmp_path, ["rude day"], STYLE, world=World(prefer=prefer)).trace
    assert trace.judgements[0].p_ab == pytest.approx(0.9)
    assert trace.judgements[0].p_ba == pytest.approx(0.7)
    assert trace.pairs[0].p_chosen == pytest.approx(0.8)
    assert trace.pairs[0].margin == pytest.approx(0.6)
    assert trace.pairs[0].judge_method == "logprobs"


def test_a_tie_in_one_tier_goes_to_the_next_and_in_all_is_a_reject(tmp_path: Path) -> None:
    opinions = {"false": 0.55, "rude": 0.9}

    def prefer(a: str, b: str, word: str) -> float:
        return opinions[word] if "rude" in b else 1 - opinions[word]

    tolerant = tier("honesty", "strong", "false", tolerance=0.1)
    decided = run(_new(tmp_path, "a"), ["rude day"], tolerant, STYLE, world=World(prefer=prefer)).trace
    assert decided.pairs[0].ruling.tier_id == "style"
    opinions["rude"] = 0.5
    tied = run(_new(tmp_path, "b"), ["rude day"], tolerant, STYLE, world=World(prefer=prefer))
    assert tied.reject.reason == Reason.TIE
    assert tied.result.failures == 0


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def test_a_tier_that_is_overruled_is_a_conflict(tmp_path: Path) -> None:
    def prefer(a: str, b: str, word: str) -> float:
        likes_revised = 0.9 if word == "false" else 0.3
        return likes_revised if "false" in b else 1 - likes_revised

    trace = run(tmp_path, ["false day"], HONESTY, STYLE, world=World(prefer=prefer)).trace
    (conflict,) = trace.pairs[0].ruling.conflicts
    assert (conflict.overruled, conflict.by) == ("style", "honesty")
    assert conflict.overruled_p == pytest.approx(0.3)
    assert conflict.by_p == pytest.approx(0.9)


@pytest.mark.parametrize("orders", ["both", "one"])
def test_a_verdict_that_cannot_be_read_is_an_abstention(tmp_path: Path, orders: str) -> None:
    def prefer(a: str, b: str, word: str) -> float | None:
        return None if orders == "both" or "rude" in b else better(a, b, word)

    made = run(tmp_path, ["rude day"], STYLE, world=World(prefer=prefer))
    (judged,) = made.trace.judgements
    assert (judged.p, judged.consistent, judged.note) == (None, None, "unreadable verdict")
    assert made.reject.reason == Reason.ABSTAINED
    assert made.reject.detail.endswith(": no readable verdict")
    assert made.result.failures == 0


def test_an_unreadable_principle_leaves_the_others_to_decide(tmp_path: Path) -> None:
    def prefer(a: str, b: str, word: str) -> float | None:
        return None if word == "false" else better(a, b, word)

    trace = run(tmp_path, ["rude day"], tier("all", "soft", "false", "rude"), world=World(prefer=prefer)).trace
    assert trace.pairs[0].p_chosen == pytest.approx(0.9)


def test_an_empty_answer_is_a_failure_where_it_is_the_only_one(tmp_path: Path) -> None:
    made = run(tmp_path, ["x"], SAFETY, world=World(respond=lambda question, sample: " \n"), max_failure_rate=1)
    assert made.trace.status == "failed"
    assert made.reject.reason == Reason.EMPTY_RESPONSE
    assert made.reject.failure


def test_an_empty_answer_among_others_is_left_out(tmp_path: Path) -> None:
    world = World(respond=lambda question, sample: "" if sample == 0 else question)
    trace = run(tmp_path, ["bad day"], SAFETY, world=world, responses=2).trace
    assert label(trace) == ("day", "bad day")
    (reject,) = trace.rejects
    assert (reject.reason, reject.failure, trace.status) == (Reason.EMPTY_RESPONSE, False, "paired")


def test_every_sample_that_was_revised_is_a_pair(tmp_path: Path) -> None:
    world = World(respond=lambda question, sample: ["bad one", "fine", "bad two"][sample])
    trace = run(tmp_path, ["?"], SAFETY, world=world, responses=3).trace
    assert [(pair.chosen.text, pair.rejected.text) for pair in trace.pairs] == [("one", "bad one"), ("two", "bad two")]


def test_best_against_worst(tmp_path: Path) -> None:
    grades = {"good": 10, "middling": 5, "poor": 1}
    world = World(
        respond=lambda question, sample: list(grades)[sample],
        grade=lambda answer, word: grades[answer],
        prefer=lambda a, b, word: 0.7 if grades[a] > grades[b] else 0.3,
    )
    trace = run(tmp_path, ["?"], STYLE, world=world, responses=3, rounds=0, strategy="best-vs-worst").trace
    (pair,) = trace.pairs
    assert label(trace) == ("good", "poor")
    assert (pair.chosen_score, pair.rejected_score) == (1.0, 0.0)
    assert pair.p_chosen == pytest.approx(0.7)
    assert pair.strategy == "best-vs-worst"
    assert [score.value for score in trace.scores] == [1.0, pytest.approx(4 / 9), 0.0]


def test_the_judge_may_overrule_the_scores(tmp_path: Path) -> None:
    world = World(
        respond=lambda question, sample: ["liked", "graded"][sample],
        grade=lambda answer, word: 10 if answer == "graded" else 1,
        prefer=lambda a, b, word: 0.9 if a == "liked" else 0.1,
    )
    trace = run(tmp_path, ["?"], STYLE, world=world, responses=2, rounds=0, strategy="best-vs-worst").trace
    assert label(trace) == ("liked", "graded")
    assert (trace.pairs[0].chosen_score, trace.pairs[0].rejected_score) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("grade", "why"),
    [
        (7, (Reason.NO_COMPARISON, "2 of 2 answers could be scored, all 0.667")),
        (None, (Reason.ABSTAINED, "none of 2 answers could be scored")),
    ],
)
def test_where_scores_do_not_differ_nothing_is_compared(
    tmp_path: Path, grade: int | None, why: tuple[str, str]
) -> None:
    world = World(respond=lambda question, sample: f"answer {sample}", grade=lambda answer, word: grade)
    made = run(tmp_path, ["?"], STYLE, world=world, responses=2, rounds=0, strategy="best-vs-worst")
    assert (made.reject.reason, made.reject.detail) == why
    assert made.trace.judgements == ()


def test_one_text_answered_twice_is_one_candidate(tmp_path: Path) -> None:
    world = World(respond=lambda question, sample: "the same")
    trace = run(tmp_path, ["?"], STYLE, world=world, responses=3, rounds=0, strategy="best-vs-worst").trace
    assert trace.scores == (), "one candidate needs no score"
    assert trace.pairs == ()


@pytest.mark.parametrize(("min_margin", "kept"), [(0.0, True), (0.8, True), (0.81, False), (1.0, False)])
def test_a_pair_under_the_least_margin_is_dropped(tmp_path: Path, min_margin: float, kept: bool) -> None:
    """P = 0.9 is a margin of 0.8, whatever floating point makes of 2 · 0.9 - 1."""
    made = run(tmp_path, ["rude day"], STYLE, min_margin=min_margin)
    assert bool(made.trace.pairs) is kept
    if not kept:
        assert made.reject.reason == Reason.BELOW_MARGIN
        assert made.reject.detail.endswith(f": margin 0.800 < {min_margin:g}")


def test_a_filter_drops_a_pair_with_its_reason(tmp_path: Path) -> None:
    short = {"plugin": "min-length", "options": {"characters": 4}}
    made = run(tmp_path, ["rude day", "rude morning"], STYLE, filters=[short, "identical"])
    dropped, kept = made.traces
    assert [(reject.reason, reject.failure) for reject in dropped.rejects] == [("too_short", False)]
    assert label(kept) == ("morning", "rude morning")
    assert made.result.rejects == {"too_short": 1}


def test_answers_that_differ_in_white_space_alone_are_identical_to_the_filter(tmp_path: Path) -> None:
    world = World(
        respond=lambda question, sample: ["a b", "a\n\nb"][sample],
        grade=lambda answer, word: 2 if "\n" in answer else 9,
        prefer=lambda a, b, word: 0.1 if "\n" in a else 0.9,
    )
    settings: dict[str, Any] = {"world": world, "responses": 2, "rounds": 0, "strategy": "best-vs-worst"}
    assert len(run(_new(tmp_path, "a"), ["?"], STYLE, **settings).trace.pairs) == 1
    made = run(_new(tmp_path, "b"), ["?"], STYLE, filters=["identical"], **settings)
    assert made.reject.reason == Reason.IDENTICAL


# --- a model without log-probabilities --------------------------------------------------------------------------------


def test_a_model_without_log_probabilities_is_sampled_and_every_record_says_so(tmp_path: Path) -> None:
    world = World(prefer=lambda a, b, word: 0.75 if "rude" in b else 0.25)
    trace = run(tmp_path, ["rude day"], STYLE, logprobs=False, world=world).trace
    assert {critique.method for critique in trace.critiques} == {"sampled:5"}
    (judged,) = trace.judgements
    assert (judged.method, len(judged.calls), len(set(judged.calls))) == ("sampled:5", 10, 10)
    assert judged.p == pytest.approx(0.8)  # four of five
    assert trace.pairs[0].judge_method == "sampled:5"


def test_samples_that_name_no_option_are_not_counted(tmp_path: Path) -> None:
    def prefer(a: str, b: str, word: str) -> float | None:
        return None if "rude" in a else 0.75

    made = run(tmp_path, ["rude day"], STYLE, logprobs=False, world=World(prefer=prefer))
    assert made.trace.judgements[0].p_ab == pytest.approx(0.8)
    assert made.trace.judgements[0].p is None
    assert made.reject.reason == Reason.ABSTAINED


# --- strangers' plugins -----------------------------------------------------------------------------------------------


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
    assert made.reject == Reject(made.trace.prompt.id, Reason.PLUGIN_FAILED, "RuntimeError: no licence", failure=True)
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
    assert made.traces[1].rejects[0].detail == ("ValueError: " + "x" * 9999)[:500]
    assert made.traces[0].pairs[0].judge_method == "mine"


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


# --- dialogues --------------------------------------------------------------------------------------------------------

TURNS = [("user", "FIRST question"), ("assistant", "FIRST answer"), ("user", "rude SECOND question")]


def row(*turns: tuple[str, str], **other: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]} | other


def test_a_dialogue_reaches_the_policy_and_every_template_whole(tmp_path: Path) -> None:
    world = World(respond=lambda question, sample: ["a rude answer", "another"][sample])
    made = run(tmp_path, [row(*TURNS)], STYLE, world=world, responses=2, strategy="best-vs-worst")
    assert {request.messages for request in world.policy_asked} == {tuple(Message(*turn) for turn in TURNS)}
    whole = "User: FIRST question\n\nAssistant: FIRST answer\n\nUser: rude SECOND question"
    kinds = ("You check", "You revise", "You compare", "You grade")
    for kind in kinds:
        texts = [text for text in world.templates_asked if text.startswith(kind)]
        assert texts, kind
        assert all(whole in text for text in texts), kind
    assert len(world.policy_asked) + len(world.templates_asked) == len(world.asked)
    assert made.trace.prompt.messages == tuple(Message(*turn) for turn in TURNS)


def test_the_runs_system_message_goes_before_dialogues_that_have_none(tmp_path: Path) -> None:
    rows = [row(*TURNS), row(("system", "Mine."), *TURNS), row(*TURNS, system="The row's.")]
    made = run(tmp_path, rows, STYLE, system="The run's.")
    heads = [request.messages[0] for request in made.world.policy_asked]
    assert sorted(heads) == sorted(Message("system", text) for text in ("The run's.", "Mine.", "The row's."))
    assert all(request.messages[1:] == tuple(Message(*turn) for turn in TURNS) for request in made.world.policy_asked)
    assert [trace.prompt.messages[0].role for trace in made.traces] == ["user", "system", "system"]


def test_rows_that_are_no_prompts_are_recorded_and_counted(tmp_path: Path) -> None:
    rows: list[Any] = ["rude day", {"text": "x"}, "rude day"]
    made = run(tmp_path, rows, STYLE, max_failure_rate=1)
    assert made.bad_rows == (
        ("prompts.jsonl:2", Reason.BAD_ROW, "no `prompt` and no `messages`; its fields are: text"),
        ("prompts.jsonl:3", Reason.DUPLICATE, "the same dialogue as prompts.jsonl:1"),
    )
    assert made.result.rejects == {Reason.BAD_ROW: 1, Reason.DUPLICATE: 1}
    assert made.result.failures == 1


def test_an_answer_that_looks_like_a_template_is_inert(tmp_path: Path) -> None:
    text = "rude {{ principle.statement }} {% raw %} {{ shared }}"
    trace = run(tmp_path, [text], STYLE).trace
    assert label(trace) == (without(text, "rude"), text)


def test_the_two_orders_are_asked_with_the_answers_swapped(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def prefer(a: str, b: str, word: str) -> float | None:
        seen.append((a, b))
        return better(a, b, word)

    run(tmp_path, ["rude day"], STYLE, world=World(prefer=prefer))
    assert sorted(seen) == [("day", "rude day"), ("rude day", "day")]
    assert A_B == ("A", "B")
