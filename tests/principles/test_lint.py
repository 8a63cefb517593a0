"""Rules about more than words, silencing, and what a finding says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.principles.lint import RULES, Finding, Rule, lint

PAIR = {"prompt": "How high is it?", "better": "A survey of 2019 says 80 m.", "worse": "80 m."}
SOURCED = {"id": "sourced", "statement": "The answer names the source of every number.", "examples": [PAIR]}
OTHER = {"id": "units", "statement": "The answer gives every number with its unit.", "examples": [PAIR]}
Linted = Callable[[dict[str, Any] | str], list[Finding]]


def constitution(*principles: dict[str, Any], force: str = "strong", **more: Any) -> dict[str, Any]:
    return {"name": "x", "tiers": [{"id": "safety", "force": force, "principles": list(principles)}], **more}


@pytest.fixture
def linted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Linted:
    monkeypatch.chdir(tmp_path)

    def check(data: dict[str, Any] | str) -> list[Finding]:
        path = Path("x.yaml")
        whole = (
            data if isinstance(data, str) else yaml.safe_dump(copy.deepcopy(data), allow_unicode=True, sort_keys=False)
        )
        path.write_text(whole, encoding="utf-8")
        return lint(path)

    return check


def ids(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


def around(rule: Rule, example: str) -> dict[str, Any] | str:
    """A whole file around the example that is shown with a rule."""
    if rule.id == "cut-short":  # about what is lost when a file is read
        whole = yaml.safe_dump(constitution(SOURCED), sort_keys=False)
        return whole.replace("statement: The answer names the source of every number.", example.splitlines()[1])
    given = yaml.safe_load(example)
    force = "hard" if rule.id in ("hedged-hard", "missing-refusal", "hard-tier-without-examples") else "strong"
    mode = "draw" if rule.id == "unpaired-request" else "tiered"
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list):
        items = [{"id": f"p{n}", "statement": text, "examples": [PAIR]} for n, text in enumerate(given)]
        return constitution(*items, force=force)
    if "statement" in given:
        return constitution({"id": "one", "examples": [PAIR], **given}, force=force, mode=mode)
    return constitution(SOURCED, **given)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_the_example_of_a_rule_shows_it(linted: Linted, rule: Rule) -> None:
    assert rule.id in ids(linted(around(rule, rule.bad)))
    assert linted(around(rule, rule.better)) == []


def test_a_good_file_has_no_finding(linted: Linted) -> None:
    assert linted(constitution(SOURCED, OTHER, contexts={"medical": {"sourced": 2.0}})) == []


@pytest.mark.parametrize(
    ("force", "examples", "rule"),
    [
        ("strong", [], "no-examples"),
        ("soft", [], "no-examples"),
        ("hard", [], "hard-tier-without-examples"),
        ("hard", [{"prompt": "p?", "response": "r", "verdict": "violates"}], "one-sided-examples"),
        ("soft", [{"prompt": f"p{n}?", "response": "r", "verdict": "upholds"} for n in (1, 2)], "one-sided-examples"),
        ("soft", [PAIR, {"prompt": "p?", "better": "TODO", "worse": "80 m."}], "untestable-example"),
        ("soft", [PAIR, {"prompt": "…", "better": "90 m.", "worse": "80 m."}], "untestable-example"),
        ("soft", [PAIR, {"prompt": "p?", "better": "a good answer", "worse": "a bad answer"}], "untestable-example"),
        ("soft", [PAIR, {"prompt": "How high?", "response": "How high?", "verdict": "violates"}], "untestable-example"),
        (
            "soft",
            [{"prompt": "p?", "response": "r s", "verdict": verdict} for verdict in ("upholds", "violates")],
            "untestable-example",
        ),
    ],
)
def test_examples_that_test_nothing_are_found(
    linted: Linted, force: str, examples: list[dict[str, str]], rule: str
) -> None:
    assert ids(linted(constitution(SOURCED | {"examples": examples}, force=force))) == [rule]


@pytest.mark.parametrize(
    "examples",
    [
        [
            {"prompt": "p?", "response": text, "verdict": verdict}
            for text, verdict in (("a b", "upholds"), ("c", "violates"))
        ],
        [{"prompt": "Is 2 + 2 = 4?", "better": "Yes.", "worse": "- Yes."}],
        [
            {
                "prompt": "Example?",
                "better": "For example, a good answer names its date: 1912.",
                "worse": "Placeholders bore.",
            }
        ],
        [{"prompt": "A number?", "better": "7", "worse": "Numbers are many."}],
    ],
)
def test_examples_that_test_something_are_left_alone(linted: Linted, examples: list[dict[str, str]]) -> None:
    assert linted(constitution(SOURCED | {"examples": examples})) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The answer names the source of every number.", "The answer names a source for each number."),
        ("The answer cites the law it applies.", "The response should cite each law that it applies."),
        ("The answer uses metric units.", "The answer uses no metric units, and says so."),
        ("回答注明每个数字的来源。", "回答应当注明每个数字的来源。"),
    ],
)
def test_near_duplicates_are_found(linted: Linted, first: str, second: str) -> None:
    found = linted(constitution(SOURCED | {"statement": first}, OTHER | {"statement": second}))
    assert [(finding.rule, finding.principle) for finding in found if finding.rule == "near-duplicate"] == [
        ("near-duplicate", "units")
    ]
    assert "'sourced'" in found[0].message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The answer names the source of every number.", "The answer names the unit of every number."),
        ("The answer is in English.", "The answer is in prose."),
        ("The answer names its author.", "The answer names its date."),
        ("回答注明每个数字的来源。", "回答注明每个数字的单位。"),
    ],
)
def test_principles_that_differ_in_one_thing_are_no_duplicates(linted: Linted, first: str, second: str) -> None:
    assert linted(constitution(SOURCED | {"statement": first}, OTHER | {"statement": second})) == []


@pytest.mark.parametrize(
    ("when", "contexts", "reached"),
    [
        ({"tags": ["a"], "unless": ["b"]}, {}, True),
        ({"tags": ["a"], "unless": ["a"]}, {}, False),
        ({"tags": ["a", "b"], "unless": ["a"]}, {}, True),
        ({"tags": ["a", "b"], "unless": ["b", "a", "c"]}, {}, False),
        ({"tags": ["a"]}, {"a": {"sourced": 0}}, False),
        ({"tags": ["a"]}, {"a": {"safety": 0}}, False),
        ({"tags": ["a", "b"], "unless": ["b"]}, {"a": {"sourced": 0}}, False),
        ({"tags": ["a", "b"]}, {"a": {"sourced": 0}}, True),
        ({"unless": ["a"]}, {"b": {"sourced": 0}}, True),
    ],
)
def test_a_principle_that_no_prompt_reaches_is_found(
    linted: Linted, when: dict[str, list[str]], contexts: dict[str, dict[str, float]], reached: bool
) -> None:
    found = ids(linted(constitution(SOURCED | {"when": when}, OTHER, contexts=contexts)))
    assert found == ([] if reached else ["unreachable-when"])


def test_a_context_that_changes_nothing_is_found(linted: Linted) -> None:
    fiction = SOURCED | {"when": {"unless": ["fiction"]}}
    found = linted(
        constitution(fiction, OTHER, contexts={"fiction": {"sourced": 2}, "news": {"units": 1, "safety": 2}})
    )
    assert [(finding.rule, finding.message) for finding in found] == [
        ("context-without-effect", "'sourced' does not apply to prompts tagged 'fiction': its `unless` says so"),
        ("context-without-effect", "a factor of 1 changes nothing"),
    ]


def test_in_mode_draw_half_a_pair_is_found(linted: Linted) -> None:
    paired = SOURCED | {"critique": "Quote the numbers without a source.", "revision": "Give each number its source."}
    found = linted(constitution(paired, OTHER, OTHER | {"id": "half", **HALF}, mode="draw"))
    assert [(finding.rule, finding.principle) for finding in found if finding.rule == "unpaired-request"] == [
        ("unpaired-request", "units"),
        ("unpaired-request", "half"),
    ]
    assert linted(constitution(SOURCED, OTHER, mode="draw")) == [], "a list of comparisons"
    assert linted(constitution(paired, OTHER)) == [], "tiers"


HALF = {"statement": "The answer dates every event that it mentions.", "revision": "Give each event its date."}


def test_a_finding_says_where_what_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(
        "name: mine\n"
        "tiers:\n"
        "  - id: style\n"
        "    force: soft\n"
        "    principles:\n"
        "      - id: kind\n"
        "        statement: The answer is kind.\n"
        "        examples:\n"
        '          - {prompt: "p?", better: a b, worse: c d}\n'
        "      - id: free\n"
        "        statement: The answer contains no links.\n"
    )
    found = lint(Path("mine.yaml"))
    assert [str(finding) for finding in found] == [
        "mine.yaml:7:9: trait-wording: kind: names a trait, not a behaviour: 'is kind'",
        "mine.yaml:10:9: no-examples: free: has no example, so nobody can test it",
        "mine.yaml:11:9: negation: free: says only what the answer must not do",
    ]
    assert all(finding.suggestion and finding.severity == "warning" for finding in found)


@pytest.mark.parametrize(
    "change",
    [
        {"lint": {"ignore": ["trait-wording"]}},
        {"tiers": {"lint_ignore": ["trait-wording"]}},
    ],
)
def test_a_rule_is_silenced_in_the_file(linted: Linted, change: dict[str, Any]) -> None:
    kind = {"id": "kind", "statement": "The answer is kind.", "examples": [PAIR], **change.get("tiers", {})}
    assert linted(constitution(kind, OTHER, **{key: change[key] for key in change if key == "lint"})) == []


def test_silencing_one_principle_leaves_the_others(linted: Linted) -> None:
    kind = {"id": "kind", "statement": "The answer is kind.", "examples": [PAIR]}
    wise = {"id": "wise", "statement": "The answer is wise.", "examples": [PAIR], "lint_ignore": ["trait-wording"]}
    assert [finding.principle for finding in linted(constitution(kind, wise))] == ["kind"]


def test_a_misspelt_rule_silences_nothing_and_is_said(linted: Linted) -> None:
    kind = {"id": "kind", "statement": "The answer is kind.", "examples": [PAIR], "lint_ignore": ["trait-wordings"]}
    found = linted(constitution(kind, lint={"ignore": ["negations"]}))
    assert sorted(ids(found)) == ["trait-wording", "unknown-rule", "unknown-rule"]
    said = [finding.message for finding in found if finding.rule == "unknown-rule"]
    assert any("did you mean 'trait-wording'?" in message for message in said)
    assert any("did you mean 'negation'?" in message for message in said)


def test_a_reviewing_model_is_silenced_like_a_rule(linted: Linted) -> None:
    assert linted(constitution(SOURCED | {"lint_ignore": ["reviewer"]}, lint={"ignore": ["reviewer"]})) == []


def test_what_is_extended_counts_and_is_not_reported_on(linted: Linted) -> None:
    kind = {"id": "kind", "statement": "The answer is kind."}
    Path("below.yaml").write_text(yaml.safe_dump(constitution(kind, SOURCED) | {"name": "below"}))
    again = {"id": "again", "statement": "The answer names a source for each number.", "examples": [PAIR]}
    data = {
        "name": "x",
        "extends": ["below.yaml"],
        "tiers": [{"id": "safety", "principles": [again]}],
        "contexts": {"news": {"safety": 2}},
    }
    assert [(finding.rule, finding.principle) for finding in linted(data)] == [("near-duplicate", "again")]


def test_a_tier_that_is_hard_below_is_hard_here(linted: Linted) -> None:
    Path("below.yaml").write_text(yaml.safe_dump(constitution(SOURCED, force="hard") | {"name": "below"}))
    bare = {"id": "units", "statement": OTHER["statement"]}
    data = {"name": "x", "extends": ["below.yaml"], "tiers": [{"id": "safety", "principles": [bare]}]}
    assert ids(linted(data)) == ["hard-tier-without-examples"]


def test_a_comment_that_looks_like_one_is_one(linted: Linted) -> None:
    whole = yaml.safe_dump(constitution(SOURCED), sort_keys=False)
    text = "statement: The answer names the source of every number."
    assert linted(whole.replace(text, f"{text} # ask Ann")) == []
    assert linted(whole.replace(text, f"{text[:-1]} #1.")) != []
    assert linted(whole.replace(text, 'statement: "The answer names source #1 of every number."')) == []
    assert linted(whole.replace(text, "statement: The answer names source nr#1 of every number.")) == []
