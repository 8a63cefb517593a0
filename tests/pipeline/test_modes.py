"""What a constitution's mode and its answer to unresolved violations mean in a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from constitutional.core.records import Reason
from tests.support.runs import World, part, run, tier, without

SAFETY, TRUTH, STYLE = tier("safety", "hard", "bad"), tier("truth", "strong", "false"), tier("style", "soft", "rude")


def paired(word: str) -> dict[str, Any]:
    """A principle with a critique and a revision request that belong together."""
    return {
        "id": word,
        "statement": f"avoid {word}",
        "critique": f"CRITIQUE REQUEST {word}",
        "revision": f"REVISION REQUEST {word}",
    }


PAPER = {"id": "paper", "force": "strong", "principles": [paired(word) for word in ("alpha", "beta", "gamma")]}


class TestAsPublished:
    """Constitutional AI, the supervised part and its preference data, step by step."""

    def world(self) -> World:
        return World(
            respond=lambda question, sample: f"first answer to {question}",
            revise=lambda answer, word: f"{answer} +{word}",
        )

    def test_four_rounds_each_with_one_principle_drawn_with_replacement(self, tmp_path: Path) -> None:
        """Of four draws from three principles one must repeat, and over many prompts each is drawn about as often."""
        made = run(tmp_path, [f"q{n}" for n in range(40)], PAPER, world=self.world(), mode="draw")
        for trace in made.traces:
            drawn = [revision.principle_id for revision in trace.revisions]
            assert len(drawn) == 4
            assert len(set(drawn)) < 4
        counts = Counter(revision.principle_id for trace in made.traces for revision in trace.revisions)
        assert all(35 < count < 75 for count in counts.values())

    def test_the_critique_request_then_the_revision_request_of_the_same_principle(self, tmp_path: Path) -> None:
        made = run(tmp_path, ["q"], PAPER, world=self.world(), mode="draw")
        steps = [text for text in made.world.templates_asked if not text.startswith("You compare")]
        asked = [text.rsplit(" REQUEST ", 1) for text in steps]
        names = [(head.rsplit("\n", 1)[-1].split()[-1], tail.split()[0]) for head, tail in asked]
        drawn = [revision.principle_id for revision in made.trace.revisions]
        assert names == [(kind, word) for word in drawn for kind in ("CRITIQUE", "REVISION")]

    def test_the_revision_replaces_the_answer_and_critiques_do_not_stack(self, tmp_path: Path) -> None:
        made = run(tmp_path, ["q"], PAPER, world=self.world(), mode="draw")
        critiques = [text for text in made.world.templates_asked if "CRITIQUE REQUEST" in text]
        answers = [part(text, "The assistant's answer") for text in critiques]
        texts = [response.text for response in made.trace.responses]
        assert answers == texts[:4]
        assert all("It says" not in text for text in critiques), "an earlier critique is in a later request"

    def test_rounds_go_on_although_nothing_is_wrong(self, tmp_path: Path) -> None:
        """No verdict is asked for: the critique is words alone."""
        made = run(tmp_path, ["q"], PAPER, world=self.world(), mode="draw")
        assert [critique.violates for critique in made.trace.critiques] == [None] * 4
        assert all(critique.text for critique in made.trace.critiques)

    def test_everything_is_sampled_at_temperature_one(self, tmp_path: Path) -> None:
        made = run(tmp_path, ["q"], PAPER, world=self.world(), mode="draw")
        chats = [r for r in made.world.asked if "Reply with one" not in r.messages[-1].content]
        assert {request.sampling.temperature for request in chats} == {1.0}

    def test_revisions_of_all_rounds_are_there_for_fine_tuning(self, tmp_path: Path) -> None:
        made = run(tmp_path, ["q"], PAPER, world=self.world(), mode="draw")
        assert [response.round for response in made.trace.responses] == [0, 1, 2, 3, 4]
        assert all(revision.revised_id for revision in made.trace.revisions)

    def test_one_principle_is_drawn_per_comparison(self, tmp_path: Path) -> None:
        made = run(tmp_path, [f"q{n}" for n in range(30)], PAPER, world=self.world(), mode="draw")
        judged = [[judgement.principle_id for judgement in trace.judgements] for trace in made.traces]
        assert all(len(names) == 1 for names in judged)
        assert len({names[0] for names in judged}) == 3

    def test_the_same_seed_draws_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        (tmp_path / "c").mkdir()
        one = run(tmp_path / "a", ["q", "r"], PAPER, world=self.world(), mode="draw")
        two = run(tmp_path / "b", ["q", "r"], PAPER, world=self.world(), mode="draw")
        other = run(tmp_path / "c", ["q", "r"], PAPER, world=self.world(), mode="draw", seed=1)
        assert one.traces == two.traces
        assert one.traces != other.traces


def test_where_all_principles_are_equal_no_tier_overrules_another(tmp_path: Path) -> None:
    """The revision is truer and ruder, with less to say for the truth: with priorities the truth decides."""
    world = World(
        revise=lambda answer, word: "rude day",
        prefer=lambda a, b, word: {"false": 0.6, "rude": 0.2, "bad": 0.5}[word] if a.startswith("rude") else None
        or {"false": 0.4, "rude": 0.8, "bad": 0.5}[word],
        violates=lambda answer, word: 0.9 if word == "false" and "false" in answer else 0.1,
    )  # fmt: skip
    (tmp_path / "tiers").mkdir()
    (tmp_path / "flat").mkdir()
    tiered = run(tmp_path / "tiers", ["false day"], SAFETY, TRUTH, STYLE, world=world).trace
    flat = run(tmp_path / "flat", ["false day"], SAFETY, TRUTH, STYLE, world=world, mode="all").trace
    assert (tiered.pairs[0].chosen.text, tiered.pairs[0].ruling.tier_id) == ("rude day", "truth")
    assert (flat.pairs[0].chosen.text, flat.pairs[0].ruling.tier_id) == ("false day", "all")
    assert flat.pairs[0].p_chosen == pytest.approx(1 - (0.6 + 0.2 + 0.5) / 3)


class TestUnresolved:
    def world(self, refusal: str) -> World:
        class Stubborn(World):
            def answer(self, request: Any, options: Any) -> Any:
                text = request.messages[-1].content
                if options is None and text.startswith("You write a short answer"):
                    self.asked.append(request)
                    return refusal
                return super().answer(request, options)

        return Stubborn(revise=lambda answer, word: answer + " still")

    def test_a_refusal_takes_the_place_of_what_cannot_be_mended(self, tmp_path: Path) -> None:
        world = self.world("I will not do this.")
        trace = run(tmp_path, ["bad day"], SAFETY, STYLE, world=world, on_unresolved="refuse", rounds=2).trace
        assert [(revision.refusal, bool(revision.revised_id)) for revision in trace.revisions] == [
            (False, True),
            (False, True),
            (True, True),
        ]
        (pair,) = trace.pairs
        assert (pair.chosen.text, pair.rejected.text) == ("I will not do this.", "bad day")
        assert pair.ruling.vetoed_by == "safety"

    def test_a_refusal_that_violates_too_is_not_kept(self, tmp_path: Path) -> None:
        world = self.world("I will do bad things.")
        trace = run(tmp_path, ["bad day"], SAFETY, world=world, on_unresolved="refuse").trace
        assert trace.pairs == ()
        assert Reason.UNRESOLVED in {reject.reason for reject in trace.rejects}

    def test_no_refusal_is_asked_for_what_can_be_mended(self, tmp_path: Path) -> None:
        trace = run(tmp_path, ["bad day"], SAFETY, world=World(revise=without), on_unresolved="refuse").trace
        assert [revision.refusal for revision in trace.revisions] == [False]


@pytest.mark.parametrize(
    ("revised", "kept", "reason"),
    [
        ("Sure, here is a revised response: kind day", "kind day", None),
        ("kind day. Take care. Take care. Take care.", "kind day. Take care.", None),
        ("I'm sorry, but I can't help with that.", None, Reason.REFUSED),
        ("I cannot rewrite this answer.", None, Reason.REFUSED_TASK),
        ("kind day 🎉🎉🎉🎉🎉🎉", None, Reason.EMOJI),
        ("you are valid and loved and cared for " * 6, None, Reason.RUNAWAY),
        ("rude  day", None, Reason.NO_OP_REVISION),
        ("", None, Reason.EMPTY_REVISION),
    ],
)
def test_what_small_models_put_into_revisions(
    tmp_path: Path, revised: str, kept: str | None, reason: str | None
) -> None:
    world = World(revise=lambda answer, word: revised)
    trace = run(tmp_path, ["rude day"], SAFETY, STYLE, world=world).trace
    (revision,) = trace.revisions
    assert [response.text for response in trace.responses[1:] if revision.revised_id] == ([kept] if kept else [])
    assert [reject.reason for reject in trace.rejects if reject.reason in Reason.OF_REVISIONS] == (
        [reason] if reason else []
    )
    if kept:
        assert revision.cut


def test_what_an_earlier_revision_mended_may_not_be_broken_again(tmp_path: Path) -> None:
    """Mending the hard violation mends the strong one too; the verdict on the first text is not that on the second."""
    world = World(revise=lambda answer, word: {"bad": "rude day", "rude": "false day"}[word])
    trace = run(tmp_path, ["bad false rude day"], SAFETY, TRUTH, STYLE, world=world).trace
    assert [(revision.principle_id, revision.note) for revision in trace.revisions] == [
        ("bad", ""),
        ("rude", Reason.WORSENED),
    ]
    assert trace.pairs[0].chosen.text == "rude day"


def test_what_an_earlier_revision_broke_is_not_held_against_a_later_one(tmp_path: Path) -> None:
    """A hard violation may be mended at the cost of the style; the strong revision then finds the text as it is."""
    texts = {"bad": "false loud rude day", "false": "loud rude day", "loud": "rude day", "rude": "day"}
    style = tier("style", "soft", "loud", "rude")
    trace = run(tmp_path, ["bad false rude day"], SAFETY, TRUTH, style, world=World(revise=lambda a, w: texts[w])).trace
    assert [(revision.principle_id, revision.note) for revision in trace.revisions] == [
        ("bad", ""),
        ("false", ""),
        ("rude", ""),
    ]


def test_no_principle_is_asked_about_the_same_text_twice(tmp_path: Path) -> None:
    trace = run(tmp_path, ["bad false rude day"], SAFETY, TRUTH, STYLE, world=World(revise=without), rounds=3).trace
    asked = [(critique.response_id, critique.principle_id) for critique in trace.critiques]
    assert len(asked) == len(set(asked))
