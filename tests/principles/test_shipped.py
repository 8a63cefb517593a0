"""The constitutions that ship are the examples that authors copy from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constitutional.config.constitution import load_constitution
from constitutional.core.constitution import Constitution
from constitutional.principles.lint import lint
from constitutional.resources import data_folder, shipped_names

NAMES = [
    "base",
    "child-safe",
    "coding-assistant",
    "concise-style",
    "helpful-harmless",
    "honest",
    "medical",
    "paper",
    "pocket",
    "zh-hans",
]


def path_of(name: str) -> Path:
    return data_folder("constitutions") / f"{name}.yaml"


def shipped(name: str) -> Constitution:
    return load_constitution(path_of(name))


def test_the_list_is_whole() -> None:
    assert list(shipped_names("constitutions", ".yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_lint_clean_with_nothing_silenced(name: str) -> None:
    assert [str(finding) for finding in lint(path_of(name))] == []
    text = path_of(name).read_text(encoding="utf-8")
    assert "lint" not in text.replace("splint", "")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_and_helps_the_editor(name: str) -> None:
    constitution = shipped(name)
    assert constitution.name == name
    assert constitution.version == "1.0.0"
    assert 20 <= len(constitution.description) <= 140
    first = path_of(name).read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=constitution.schema.json"


@pytest.mark.parametrize("name", NAMES)
def test_each_principle_has_two_examples_that_cut_both_ways(name: str) -> None:
    for _, principle in shipped(name):
        assert len(principle.examples) >= 2, principle.id
        sides = {example.verdict or "both" for example in principle.examples}
        assert "both" in sides or sides == {"upholds", "violates"}, principle.id


@pytest.mark.parametrize("name", [name for name in NAMES if name != "paper"])
def test_it_has_tiers_that_rank(name: str) -> None:
    forces = [tier.force for tier in shipped(name).tiers]
    assert forces == sorted(forces, key=["hard", "strong", "soft"].index)
    assert forces[0] == ("strong" if name == "concise-style" else "hard")


def test_helpful_harmless_has_three_tiers_of_sixteen_principles_or_more() -> None:
    constitution = shipped("helpful-harmless")
    assert [tier.force for tier in constitution.tiers] == ["hard", "strong", "soft"]
    assert len(list(constitution)) == 19
    assert "Nineteen" in constitution.description


def test_medical_protects_first_then_is_right_then_of_use() -> None:
    protect, accuracy, use = shipped("medical").tiers
    assert {
        "no-substitute-for-diagnosis",
        "emergencies-to-urgent-care",
        "no-unproven-treatment",
        "health-data-private",
    } <= {principle.id for principle in protect.principles}
    assert {"sourced", "uncertainty-stated", "myths-corrected"} <= {principle.id for principle in accuracy.principles}
    assert {"understandable", "practical", "prepares-for-the-visit"} <= {principle.id for principle in use.principles}


def test_in_an_emergency_medical_leaves_the_pleasantries() -> None:
    applied = {principle.id for _, principle in shipped("medical").applicable(["emergency"])}
    assert "emergencies-to-urgent-care" in applied
    assert applied.isdisjoint({"practical", "understandable", "sourced", "interaction-asked"})


def test_child_safe_is_laid_on_base() -> None:
    constitution = shipped("child-safe")
    assert [tier.id for tier in constitution.tiers] == ["safety", "honesty", "learning", "style"]
    origins = {principle.id: principle.origin for _, principle in constitution}
    assert origins["no-serious-harm"] == "base"
    assert origins["fit-for-children"] == "child-safe"
    assert "private-data" not in origins


def test_paper_draws_pairs_of_requests() -> None:
    constitution = shipped("paper")
    assert constitution.mode == "draw"
    assert len(list(constitution)) >= 12
    assert all(principle.critique and principle.revision and principle.prefer for _, principle in constitution)


def test_zh_hans_is_chinese_throughout() -> None:
    constitution = shipped("zh-hans")
    for _, principle in constitution:
        for text in (principle.statement, *(example.prompt for example in principle.examples)):
            assert re.search(r"[一-鿿]", text), text
        assert not re.search(r"[A-Za-z]{3}", principle.statement), principle.statement
    assert re.search(r"[一-鿿]", constitution.description)
