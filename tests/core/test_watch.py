from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from constitutional.config.run import WatchConfig
from constitutional.core.digest import pair_id
from constitutional.core.records import Message, Pair, Prompt, Response, Ruling, Score, Trace
from constitutional.core.watch import SAMPLE, Finding, Watch

LIMITS = WatchConfig()
REFUSAL = "I'm sorry, but I cannot help with that."


def trace(n: int, chosen: str, rejected: str, p: float | None = 0.8, veto: bool = False) -> Trace:
    prompt = Prompt(f"p{n}", (Message("user", f"Question {n}?"),))
    a, b = Response(f"{n}.a", prompt.id, chosen, "m", 0, ""), Response(f"{n}.b", prompt.id, rejected, "m", 1, "")
    ruling = Ruling(a.id, b.id, p, "main", vetoed_by="main" if veto else None)
    pairs = () if p is None else (Pair(prompt.id, a, b, p, 2 * p - 1, "s", ruling, "logprobs"),)
    return Trace(prompt, (a, b), rulings=(ruling,), pairs=pairs)


def words(n: int, count: int) -> str:
    chance = random.Random(n)
    return " ".join(f"w{chance.randrange(5000)}" for _ in range(count))


def found(traces: Iterable[Trace], human: dict[str, float] | None = None, **limits: float) -> dict[str, Finding]:
    watch = Watch(human or {})
    for one in traces:
        watch.add(one)
    return {finding.name: finding for finding in watch.findings(WatchConfig.model_validate(limits))}


def sound(n: int) -> Trace:
    """As long either way, sure in different degrees, no phrase in common."""
    return trace(n, words(n, 20 + n % 7), words(n + 10_000, 20 + (n * 3) % 7), 0.6 + (n % 5) / 20)


def test_a_sound_run_warns_of_nothing() -> None:
    assert [one.warning for one in found(sound(n) for n in range(200)).values() if one.warning] == []


@pytest.mark.parametrize(
    ("name", "traces", "words_of_it"),
    [
        ("spread of P", [trace(n, words(n, 20), words(-n, 20), 0.51) for n in range(60)], "hardly tells answers apart"),
        ("length of chosen to rejected", [trace(n, words(n, 60), words(-n, 20)) for n in range(60)], "times longer"),
        ("length of chosen to rejected", [trace(n, words(n, 20), words(-n, 60)) for n in range(60)], "times shorter"),
        (
            "P and length",
            [trace(n, words(n, 20 + n), words(-n, 20), 0.5 + n / 150) for n in range(1, 61)],
            "the longer answer wins",
        ),
        (
            "word pairs, chosen to rejected",
            [trace(n, words(n % 9, 20), words(-n - 1, 20)) for n in range(60)],
            "less varied",
        ),
        (
            "repetition, chosen",
            [trace(n, f"{words(n, 6)} " * 4, words(-n, 24)) for n in range(60)],
            "repeat themselves",
        ),
        ("refusals, chosen", [trace(n, REFUSAL, words(n, 9)) for n in range(60)], "teaches refusing"),
        (
            "commonest opening, chosen",
            [trace(n, f"What a wonderful question. {words(n, 20)}", words(-n, 24)) for n in range(60)],
            "have the same opening, 'what a wonderful question'",
        ),
        (
            "commonest closing, chosen",
            [trace(n, f"{words(n, 20)} You are valid, valued and cared for.", words(-n, 24)) for n in range(60)],
            "have the same closing, 'are valid valued and cared for'",
        ),
    ],
)
def test_what_is_odd_is_told_with_its_number_and_threshold(name: str, traces: list[Trace], words_of_it: str) -> None:
    warning = found(traces)[name].warning
    assert words_of_it in warning
    assert any(character.isdigit() for character in warning)


def test_a_threshold_of_ones_own() -> None:
    longer = [trace(n, words(n, 60), words(-n, 20)) for n in range(60)]
    name = "length of chosen to rejected"
    assert found(longer, length_ratio=4.0)[name].warning == ""
    assert "over 1.5" in found(longer)[name].warning


def test_few_comparisons_warn_of_nothing() -> None:
    odd = [trace(n, REFUSAL, words(n, 90)) for n in range(49)]
    assert not any(finding.warning for finding in found(odd).values())
    assert any(finding.warning for finding in found(odd, min_pairs=49).values())


def test_a_veto_is_not_the_judges_verdict() -> None:
    vetoed = [trace(n, words(n, 20), words(-n, 20), 1.0, veto=True) for n in range(60)]
    measured = found([*vetoed, *(sound(n + 100) for n in range(60))])
    assert measured["spread of P"].n == 60
    assert measured["length of chosen to rejected"].n == 120


def test_labels_of_people_are_compared_whichever_way_round() -> None:
    traces = [sound(n) for n in range(60)]

    def labels(agree: bool) -> dict[str, float]:
        made = {}
        for one in traces:
            a, b = (response.text for response in one.responses)
            made[pair_id(one.prompt.messages, a, b)] = float((a <= b) == agree)
        return made

    assert found(traces, labels(agree=True))["P and human labels"].value == pytest.approx(0.9, abs=0.15)
    odd = found(traces, labels(agree=False))["P and human labels"]
    assert odd.value is not None
    assert odd.value < 0
    assert "hardly follows human labels" in odd.warning
    assert found(traces[:10], labels(agree=False))["P and human labels"].warning == ""


def test_scores_have_a_spread_where_there_are_any() -> None:
    one = sound(1)
    scored = Trace(one.prompt, one.responses, scores=tuple(Score("a", "x", value, "") for value in (0.2, 0.4, None)))
    assert found([scored])["spread of scores"].value == pytest.approx(0.1)


def test_nothing_at_all() -> None:
    assert {finding.value for finding in found([]).values()} == {None}


def test_memory_does_not_grow_and_order_does_not_matter() -> None:
    traces = [sound(n) for n in range(SAMPLE + 500)]
    one, other = Watch(), Watch()
    for item in traces:
        one.add(item)
    for item in reversed(traces):
        other.add(item)
    left, right = one.findings(LIMITS), other.findings(LIMITS)
    assert [finding.n for finding in left] == [finding.n for finding in right]
    assert {finding.name: finding.n for finding in left}["P and length"] == SAMPLE
    for finding, twin in zip(left, right, strict=True):
        if finding.name != "word pairs, chosen to rejected":
            assert finding.value == pytest.approx(twin.value), finding.name
