"""On published sets with planted rules, and on made-up ones; the model is a script that knows what a rule speaks of."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from constitutional_inverse import Preference, Recovered, Rule, Settings, keep, read_preferences, recover, worth
from constitutional_inverse.cli import main
from constitutional_inverse.proposing import alike, merged, proposals_in
from constitutional_inverse.writing import as_yaml

from constitutional import ChatRequest, ConfigError
from constitutional.config.constitution import load_constitution
from constitutional.principles.lint import lint
from constitutional.testing import recorded_model

REFERENCE = Path(os.environ.get("CONSTITUTIONAL_REFERENCE_DATA", "-")) / "icai_synthetic"
Feature = Callable[[str], float]


def has(*words: str) -> Feature:
    """Whether a word begins with one of these."""
    wanted = re.compile("|".join(rf"\b{word}" for word in words))
    return lambda answer: float(wanted.search(answer.casefold()) is not None)


PLACES = has("bath", "edinburgh", "london", "city", "oxford", "cornwall", "lake", "scot", "cotswold", "wales")
PLANTED: dict[str, dict[str, Feature]] = {
    "aligned_vqvtb": {
        "The answer states what is true about the world.": lambda answer: -has("paris")(answer),
        "The answer names one concrete place to travel to.": PLACES,
        "The answer offers its help gladly.": has(
            "of course", "absolutely", "certainly", "happy", "here to", "sure!", "yes"
        ),
    },
    "orthogonal_adcbg": {
        "The answer tells of a cat and not of a dog.": has(r"cats?\b"),
        "The answer recommends blue.": has("blue"),
        "The answer recommends lemon.": has("lemon"),
    },
}
PLANTED["mixed_vqvtb_adcbg"] = PLANTED["aligned_vqvtb"] | PLANTED["orthogonal_adcbg"]
DECOYS: dict[str, Feature] = {
    "The answer tells of a dog and not of a cat.": has("dog"),
    "The answer recommends green.": has("green"),
    "The answer has many characters.": len,
    "The answer speaks of the weather on Mars.": lambda answer: 0.0,
    "The answer recommends the colour blue.": has("blue"),
}
SECTIONS = re.compile(r"# Answer A\n(.*?)\n\n# Answer B\n(.*?)\n\n# Rule\n(.*?)\n\n", re.DOTALL)


class Reader:
    """Proposes rules that it knows, in turn, wrong ones among them, and reads each rule rightly off both answers."""

    def __init__(self, known: dict[str, Feature]) -> None:
        self.known = known
        self.calls = 0

    def __call__(self, request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        self.calls += 1
        text = request.messages[-1].content
        if options is None:
            names = list(self.known)
            start = self.calls % len(names)
            return "\n".join(f"{n + 1}. {name}" for n, name in enumerate((names + names)[start : start + 3]))
        found = SECTIONS.search(text)
        assert found, text
        first, second, rule = found.groups()
        feature = self.known[rule]
        difference = feature(first) - feature(second)
        return {"neither" if not difference else "A" if difference > 0 else "B": 0.9, "neither ": 0.1}


def recovered(preferences: list[Preference], reader: Any, **settings: Any) -> Recovered:
    return asyncio.run(recover(preferences, recorded_model(reader), Settings(**settings)))


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="CONSTITUTIONAL_REFERENCE_DATA is not set")
@pytest.mark.parametrize("name", PLANTED)
def test_planted_rules_are_recovered_from_the_published_sets(name: str, tmp_path: Path) -> None:
    preferences = read_preferences(str(REFERENCE / f"synthetic_data_{name}.csv"))
    planted = PLANTED[name]
    found = recovered(preferences, Reader(planted | DECOYS), budget=len(planted), proposals=3)
    kept = {rule.statement for rule in found.rules}
    # A rule in other words is one rule: either wording stands for it.
    named = {"The answer recommends blue." if "blue" in rule else rule for rule in kept}
    assert named == set(planted)
    for rule in found.rules:
        assert rule.accuracy > 0.8
        assert rule.worth == pytest.approx((rule.accuracy - 0.5) * rule.relevance * 2)
    assert found.accuracy >= 0.9
    assert found.coverage >= 0.8
    path = tmp_path / "recovered.yaml"
    path.write_text(as_yaml(found, "recovered", "data.csv"), encoding="utf-8")
    loaded = load_constitution(path)
    assert len([principle for _, principle in loaded]) == len(planted)
    assert [finding for finding in lint(path) if finding.severity == "error"] == []


def made_up(count: int = 40) -> list[Preference]:
    """The one with thanks is preferred in half, the one without a shout in the other."""
    rows = []
    for n in range(count):
        good, bad = ("Thanks, here it is.", "Here it is.") if n % 2 else ("Here it is.", "HERE IT IS!!!")
        rows.append(Preference(f"Question {n}?", f"{good} ({n})", f"{bad} ({n})"))
    return rows


POLITE = {
    "The answer thanks.": has("thanks"),
    "The answer does not shout.": lambda answer: -float("!!!" in answer),
    "The answer shouts.": lambda answer: float("!!!" in answer),
}


def test_rules_are_kept_by_worth_under_the_budget() -> None:
    found = recovered(made_up(), Reader(POLITE))
    assert {rule.statement for rule in found.rules} == {"The answer thanks.", "The answer does not shout."}
    assert [rule.accuracy for rule in found.rules] == [1.0, 1.0]
    assert (found.coverage, found.accuracy) == (1.0, 1.0)
    assert (found.learned_from, found.held_out) == (30, 10)
    (only,) = recovered(made_up(), Reader(POLITE), budget=1).rules
    assert only.worth == max(rule.worth for rule in found.rules)


def test_what_only_the_place_decides_is_no_vote() -> None:
    def first(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
        return "The answer stands first." if options is None else {"A": 1.0}

    assert recovered(made_up(), first).rules == ()


def test_a_model_that_proposes_nothing_is_said() -> None:
    with pytest.raises(ConfigError, match="proposed no rule"):
        recovered(made_up(), lambda request, options: "")


@pytest.mark.parametrize(
    ("votes", "value"),
    [((1, 1, 1, 1), 1.0), ((-1, -1), -1.0), ((1, -1), 0.0), ((0, 0), 0.0), ((1, 0, 0, 0), 0.25), ((1, 1, -1, 0), 0.25)],
)
def test_worth(votes: tuple[int, ...], value: float) -> None:
    rule = Rule("r", votes)
    assert rule.worth == pytest.approx(value)
    assert worth(rule.accuracy, rule.relevance) == pytest.approx(value)


def test_a_rule_that_votes_as_another_is_the_same_in_other_words() -> None:
    one, two, three = Rule("Longer words.", (1, 1, 1, 0)), Rule("Short.", (1, 1, 1, 0)), Rule("Other.", (0, 0, 0, 1))
    assert keep([one, two, three], 3, 0.0) == [two, three]
    assert keep([one, two, three], 3, 0.5) == [two]


def test_proposals_are_read_and_merged() -> None:
    text = 'Rules:\n1. The answer is short.\n- "The answer thanks the user"\n\n(3) No.\n' + "x" * 400
    assert proposals_in(text) == ["The answer is short.", "The answer thanks the user."]
    assert alike("The answer recommends cats.", "An answer should recommend the cat.")
    assert not alike("The answer puts cats over dogs.", "The answer puts dogs over cats.")
    assert not alike("The answer is polite.", "The answer is not polite at all.")
    said = ["The answer is short.", "This answer is short.", "The answer is short.", "The answer is kind."]
    assert merged(said) == ["The answer is short.", "The answer is kind."]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"prompt": "Q?", "chosen": "Good.", "rejected": "Bad."}, Preference("Q?", "Good.", "Bad.")),
        (
            {
                "prompt": [{"role": "user", "content": "Q?"}],
                "chosen": [{"role": "assistant", "content": "Good."}],
                "rejected": [{"role": "assistant", "content": "Bad."}],
            },
            Preference("Q?", "Good.", "Bad."),
        ),
        (
            {
                "chosen": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "Good."}],
                "rejected": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "Bad."}],
            },
            Preference("Q?", "Good.", "Bad."),
        ),
        (
            {"text_a": "Instruction: Q?\n\nOutput: Bad.", "text_b": "Instruction: Q?\n\nOutput: Good.",
             "preferred_text": "text_b"},
            Preference("Q?", "Good.", "Bad."),
        ),
    ],
)  # fmt: skip
def test_rows_of_several_shapes(row: dict[str, Any], found: Preference, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
    assert read_preferences("data.jsonl", tmp_path) == [found]


def answer(request: ChatRequest, options: tuple[str, ...] | None) -> Any:
    """``scripted:test_inverse:answer``"""
    return Reader(POLITE)(request, options)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["constitutional-inverse", *arguments])
    monkeypatch.setenv("CONSTITUTIONAL_PLUGINS", "")
    try:
        main()
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_the_command_writes_a_constitution_and_asks_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected} for row in made_up()]
    Path("data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = ("--model", f"scripted:{__name__}:answer")
    assert run(monkeypatch, "data.jsonl", *model, "--out", "ours.yaml", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert {rule["statement"] for rule in said["rules"]} <= set(POLITE)
    assert load_constitution(Path("ours.yaml")).name == "ours"
    assert run(monkeypatch, "data.jsonl", *model, "--out", "ours.yaml") == 2
    assert capsys.readouterr().err == "error: ours.yaml exists: give another name with --out\n"
    before = Path("ours.yaml").read_text()
    assert run(monkeypatch, "data.jsonl", *model, "--out", "again.yaml", "--name", "ours") == 0
    assert Path("again.yaml").read_text() == before


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ('{"prompt": "Q"}\n', (), "neither chosen and rejected nor text_a"),
        ('{"chosen": "x", "rejected": "x "}\n', (), "no row in which two different answers"),
        ("{", (), "data.jsonl"),
        ('{"chosen": "x", "rejected": "y"}\n', ("--model", "gpt"), "expected provider:model"),
        ('{"chosen": "x", "rejected": "y"}\n', ("--budget", "0"), "--budget"),
    ],
)
def test_bad_input_is_one_line(
    text: str,
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.jsonl").write_text(text)
    assert run(monkeypatch, "data.jsonl", "--model", "scripted:demo", *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
